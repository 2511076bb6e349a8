/** The scenarios of custom volumes and their snapshots. */
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

const copied = (from: string, to: string) => ({
  method: 'POST',
  path: VOLUMES,
  body: { name: to, source: { type: 'copy', name: from, pool: 'default' } },
  entity: to,
})

export const VOLUME_SCENARIOS: {
  [K in Extract<WorkerKind, `volume.${string}` | `volume-snapshot.${string}`>]: Variant[]
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
    await snapshotted(kit, tag)
    return { method: 'DELETE', path: at(tag), entity: tag }
  }),
  'volume.restore': one(async (kit, tag) => {
    await snapshotted(kit, tag)
    return { method: 'PUT', path: at(tag), body: { restore: 's0' }, entity: tag }
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
