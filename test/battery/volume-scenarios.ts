/** The scenarios of custom volumes, their snapshots and their backups. */
import type { WorkerKind } from '../../src/operations/catalog.ts'
import { writeFileIn } from '../support/engine-objects.ts'
import type { Kit } from './scenario-kit.ts'
import { one, type Variant } from './scenario.ts'

const VOLUMES = '/1.0/storage-pools/default/volumes/custom'
const at = (name: string) => `${VOLUMES}/${name}`

/** A volume with a snapshot. */
async function snapshotted(kit: Kit, name: string): Promise<void> {
  await kit.send('POST', VOLUMES, { name })
  await kit.operate('POST', `${at(name)}/snapshots`, { name: 's0' })
}

/** A volume that a running instance of the same name writes to. */
async function mounted(kit: Kit, name: string): Promise<void> {
  await kit.send('POST', VOLUMES, { name })
  const data = { type: 'disk', pool: 'default', source: name, path: '/data' }
  await kit.make(name, { type: 'image', alias: 'busybox' }, true, { devices: { data } })
  await writeFileIn(kit.engine, `${name}.lxd`, '/data', { name: 'note', content: 'new' })
}

async function backedUp(kit: Kit, name: string): Promise<void> {
  await snapshotted(kit, name)
  await kit.operate('POST', `${at(name)}/backups`, { name: 'b0', compression_algorithm: 'none' })
}

const copied = (from: string, to: string) => ({
  method: 'POST',
  path: VOLUMES,
  body: { name: to, source: { type: 'copy', name: from, pool: 'default' } },
  entity: to,
})

const restored = (name: string) => ({ method: 'PUT', path: at(name), body: { restore: 's0' }, entity: name })

export const VOLUME_SCENARIOS: {
  [K in Extract<WorkerKind, `volume.${string}` | `volume-snapshot.${string}` | `volume-backup.${string}`>]: Variant[]
} = {
  'volume.create': one(async (_kit, tag) => ({ method: 'POST', path: VOLUMES, body: { name: tag }, entity: tag })),
  'volume.copy': [
    {
      name: 'mounted',
      prepare: async (kit, tag) => {
        await mounted(kit, `${tag}a`)
        await kit.operate('POST', `${at(`${tag}a`)}/snapshots`, { name: 's0' })
        return copied(`${tag}a`, tag)
      },
    },
    {
      name: 'snapshot',
      prepare: async (kit, tag) => {
        await snapshotted(kit, `${tag}a`)
        return copied(`${tag}a/s0`, tag)
      },
    },
  ],
  'volume.delete': one(async (kit, tag) => {
    await backedUp(kit, tag)
    return { method: 'DELETE', path: at(tag), entity: tag }
  }),
  'volume.restore': [
    {
      name: 'unused',
      prepare: async (kit, tag) => {
        await snapshotted(kit, tag)
        return restored(tag)
      },
    },
    {
      name: 'stopped',
      prepare: async (kit, tag) => {
        await mounted(kit, tag)
        await kit.operate('POST', `${at(tag)}/snapshots`, { name: 's0' })
        await kit.operate('PUT', `/1.0/instances/${tag}/state`, { action: 'stop', force: true })
        return restored(tag)
      },
    },
  ],
  'volume.refresh': one(async (kit, tag) => {
    await mounted(kit, `${tag}a`)
    const { body, ...order } = copied(`${tag}a`, tag)
    await kit.operate(order.method, order.path, body)
    await kit.operate('POST', `${at(tag)}/snapshots`, { name: 'own' })
    await kit.operate('POST', `${at(`${tag}a`)}/snapshots`, { name: 's0' })
    return { ...order, body: { ...body, source: { ...body.source, refresh: true } } }
  }),
  'volume.import': one(async (kit, tag) => {
    await backedUp(kit, `${tag}a`)
    const body = await kit.download(`${at(`${tag}a`)}/backups/b0/export`)
    const headers = { 'x-lxd-name': tag, 'content-type': 'application/octet-stream' }
    return { method: 'POST', path: VOLUMES, body, headers, entity: tag }
  }),
  'volume-backup.create': one(async (kit, tag) => {
    await mounted(kit, tag)
    await kit.operate('POST', `${at(tag)}/snapshots`, { name: 's0' })
    return { method: 'POST', path: `${at(tag)}/backups`, body: { name: 'b0' }, entity: `${tag}/b0` }
  }),
  'volume-backup.rename': one(async (kit, tag) => {
    await backedUp(kit, tag)
    return { method: 'POST', path: `${at(tag)}/backups/b0`, body: { name: 'b9' }, entity: `${tag}/b0` }
  }),
  'volume-backup.delete': one(async (kit, tag) => {
    await backedUp(kit, tag)
    return { method: 'DELETE', path: `${at(tag)}/backups/b0`, entity: `${tag}/b0` }
  }),
  'volume-snapshot.create': one(async (kit, tag) => {
    await mounted(kit, tag)
    return { method: 'POST', path: `${at(tag)}/snapshots`, body: { name: 's1' }, entity: `${tag}/s1` }
  }),
  'volume-snapshot.rename': one(async (kit, tag) => {
    await snapshotted(kit, tag)
    return { method: 'POST', path: `${at(tag)}/snapshots/s0`, body: { name: 's9' }, entity: `${tag}/s0` }
  }),
  'volume-snapshot.delete': one(async (kit, tag) => {
    await snapshotted(kit, tag)
    return { method: 'DELETE', path: `${at(tag)}/snapshots/s0`, entity: `${tag}/s0` }
  }),
}
