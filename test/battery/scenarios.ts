/** For each kind that workers perform, what a user does that makes every one of its steps run. A kind without one does not compile. */
import type { WorkerKind } from '../../src/operations/catalog.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { writeFileIn } from '../support/engine-objects.ts'
import { IMAGE_SCENARIOS, uniqueTar } from './image-scenarios.ts'
import type { Kit } from './scenario-kit.ts'
import { ofRegistry, one, type Request, type Scenario, type Variant } from './scenario.ts'
import { VOLUME_SCENARIOS } from './volume-scenarios.ts'

const plain = { type: 'image', alias: 'busybox' }
const withVolume = { type: 'image', alias: 'volume' }
const at = (name: string) => `/1.0/instances/${name}`

/** A running instance with a volume, a snapshot and files that are newer than it. */
async function lively(kit: Kit, name: string): Promise<void> {
  await kit.make(name, withVolume, true)
  await kit.operate('POST', `${at(name)}/snapshots`, { name: 's0' })
  for (const directory of ['/root', '/data'])
    await writeFileIn(kit.engine, `${name}.lxd`, directory, { name: 'note', content: 'new' })
}

async function backedUp(kit: Kit, name: string): Promise<void> {
  await lively(kit, name)
  await kit.operate('POST', `${at(name)}/backups`, { name: 'b0', compression_algorithm: 'none' })
}

/** A backup of an instance, as a client has it. */
async function exported(kit: Kit, name: string): Promise<Buffer> {
  await backedUp(kit, name)
  return kit.download(`${at(name)}/backups/b0/export`)
}

/** A running instance with a change that waits for its next start. */
async function pending(kit: Kit, name: string): Promise<void> {
  await kit.make(name, plain, true)
  const { body } = await kit.call('GET', at(name))
  const uuid = fieldOf(fieldOf(fieldOf(body, 'metadata'), 'config'), 'volatile.uuid')
  const changed = await kit.call('PATCH', `/v0.1/containers/${String(uuid)}`, { parameters: { hostname: 'other' } })
  if (changed.status !== 200) throw new Error(`A deferred change was answered with ${changed.status}: ${changed.text}`)
}

const stateOf = (name: string, body: object): Request => ({
  method: 'PUT',
  path: `${at(name)}/state`,
  body,
  entity: name,
})

const start = (name: string) => stateOf(name, { action: 'start' })
const stop = (name: string) => stateOf(name, { action: 'stop', force: true })
const restart = (name: string) => stateOf(name, { action: 'restart', force: true })

const change = (name: string, config: Record<string, string>): Request => ({
  method: 'PUT',
  path: at(name),
  body: { config, devices: {}, profiles: ['default'] },
  entity: name,
})

export const SCENARIOS: { [K in WorkerKind]: Variant[] } = {
  'instance.create': [
    {
      name: 'started',
      prepare: async (_kit, tag) => ({
        method: 'POST',
        path: '/1.0/instances',
        body: { name: tag, source: withVolume, start: true },
        entity: tag,
      }),
    },
    {
      name: 'pulled',
      alone: 'registry',
      prepare: async ({ bed }, tag) => ({
        method: 'POST',
        path: '/1.0/instances',
        body: { name: tag, source: ofRegistry(bed) },
        entity: tag,
      }),
    },
    {
      name: 'fetched',
      prepare: async ({ bed: { imageServer } }, tag) => {
        imageServer.publish(tag, await uniqueTar())
        const body = { name: tag, source: imageServer.publicSource(tag) }
        return { method: 'POST', path: '/1.0/instances', body, entity: tag }
      },
    },
  ],
  'instance.copy': one(async (kit, tag) => {
    await lively(kit, `${tag}a`)
    const body = { name: tag, source: { type: 'copy', source: `${tag}a` } }
    return { method: 'POST', path: '/1.0/instances', body, entity: tag }
  }),
  'instance.refresh': one(async (kit, tag) => {
    await lively(kit, `${tag}a`)
    const source = { type: 'copy', source: `${tag}a` }
    await kit.operate('POST', '/1.0/instances', { name: tag, source })
    await kit.operate('DELETE', `${at(`${tag}a`)}/snapshots/s0`)
    await kit.operate('POST', `${at(`${tag}a`)}/snapshots`, { name: 's1' })
    const body = { name: tag, source: { ...source, refresh: true } }
    return { method: 'POST', path: '/1.0/instances', body, entity: tag }
  }),
  'instance.import': one(async (kit, tag) => {
    const tarball = await exported(kit, `${tag}a`)
    const headers = { 'x-lxd-name': tag, 'content-type': 'application/octet-stream' }
    return { method: 'POST', path: '/1.0/instances', body: tarball, headers, entity: tag }
  }),
  'instance.update': [
    {
      name: 'recreated',
      prepare: async (kit, tag) => {
        await kit.make(tag, withVolume, true)
        await writeFileIn(kit.engine, `${tag}.lxd`, '/data', { name: 'note', content: 'new' })
        return change(tag, { 'environment.COLOUR': 'blue' })
      },
    },
    {
      name: 'live',
      prepare: async (kit, tag) => {
        await kit.make(tag, plain, true)
        return change(tag, { 'limits.memory': '64MiB' })
      },
    },
  ],
  'instance.rename': one(async (kit, tag) => {
    await kit.make(tag, plain, false)
    return { method: 'POST', path: at(tag), body: { name: `${tag}b` }, entity: tag }
  }),
  'instance.delete': one(async (kit, tag) => {
    await kit.make(tag, withVolume, false)
    await kit.operate('POST', `${at(tag)}/snapshots`, { name: 's0' })
    return { method: 'DELETE', path: at(tag), entity: tag }
  }),
  'instance.start': [
    {
      name: 'plain',
      prepare: async (kit, tag) => {
        await kit.make(tag, plain, false)
        return start(tag)
      },
    },
    {
      name: 'pending',
      prepare: async (kit, tag) => {
        await pending(kit, tag)
        await kit.operate('PUT', `${at(tag)}/state`, { action: 'stop', force: true })
        return start(tag)
      },
    },
  ],
  'instance.stop': [
    {
      name: 'plain',
      prepare: async (kit, tag) => {
        await kit.make(tag, plain, true)
        return stop(tag)
      },
    },
    {
      name: 'ephemeral',
      prepare: async (kit, tag) => {
        await kit.make(tag, withVolume, true, { ephemeral: true })
        return stop(tag)
      },
    },
  ],
  'instance.restart': [
    {
      name: 'plain',
      prepare: async (kit, tag) => {
        await kit.make(tag, plain, true)
        return restart(tag)
      },
    },
    {
      name: 'pending',
      prepare: async (kit, tag) => {
        await pending(kit, tag)
        return restart(tag)
      },
    },
  ],
  'instance.freeze': one(async (kit, tag) => {
    await kit.make(tag, plain, true)
    return stateOf(tag, { action: 'freeze' })
  }),
  'instance.unfreeze': one(async (kit, tag) => {
    await kit.make(tag, plain, true)
    await kit.operate('PUT', `${at(tag)}/state`, { action: 'freeze' })
    return stateOf(tag, { action: 'unfreeze' })
  }),
  'instance.exec': one(
    async (kit, tag) => {
      await kit.make(tag, plain, true)
      const body = { command: ['sh', '-c', 'echo x >> /root/ran'], 'record-output': true }
      return { method: 'POST', path: `${at(tag)}/exec`, body, entity: tag }
    },
    { lost: /its output and exit code are lost/, lasting: true },
  ),
  'snapshot.create': one(async (kit, tag) => {
    await kit.make(tag, withVolume, true)
    return { method: 'POST', path: `${at(tag)}/snapshots`, body: { name: 's1' }, entity: `${tag}/s1` }
  }),
  'snapshot.restore': one(async (kit, tag) => {
    await lively(kit, tag)
    return { method: 'PUT', path: at(tag), body: { restore: 's0' }, entity: tag }
  }),
  'snapshot.update': one(async (kit, tag) => {
    await lively(kit, tag)
    const body = { expires_at: '2040-01-01T00:00:00Z' }
    return { method: 'PUT', path: `${at(tag)}/snapshots/s0`, body, entity: `${tag}/s0` }
  }),
  'snapshot.rename': one(async (kit, tag) => {
    await lively(kit, tag)
    return { method: 'POST', path: `${at(tag)}/snapshots/s0`, body: { name: 's9' }, entity: `${tag}/s0` }
  }),
  'snapshot.delete': one(async (kit, tag) => {
    await lively(kit, tag)
    return { method: 'DELETE', path: `${at(tag)}/snapshots/s0`, entity: `${tag}/s0` }
  }),
  'backup.create': one(async (kit, tag) => {
    await lively(kit, tag)
    return { method: 'POST', path: `${at(tag)}/backups`, body: { name: 'b0' }, entity: `${tag}/b0` }
  }),
  'backup.rename': one(async (kit, tag) => {
    await backedUp(kit, tag)
    return { method: 'POST', path: `${at(tag)}/backups/b0`, body: { name: 'b9' }, entity: `${tag}/b0` }
  }),
  'backup.delete': one(async (kit, tag) => {
    await backedUp(kit, tag)
    return { method: 'DELETE', path: `${at(tag)}/backups/b0`, entity: `${tag}/b0` }
  }),
  ...IMAGE_SCENARIOS,
  'network.create': one(async (_kit, tag) => ({
    method: 'POST',
    path: '/1.0/networks',
    body: { name: tag },
    entity: tag,
  })),
  'network.rename': one(async (kit, tag) => {
    await kit.send('POST', '/1.0/networks', { name: tag })
    return { method: 'POST', path: `/1.0/networks/${tag}`, body: { name: `${tag}b` }, entity: tag }
  }),
  'network.delete': one(async (kit, tag) => {
    await kit.send('POST', '/1.0/networks', { name: tag })
    return { method: 'DELETE', path: `/1.0/networks/${tag}`, entity: tag }
  }),
  ...VOLUME_SCENARIOS,
  'project.rename': one(async (kit, tag) => {
    await kit.send('POST', '/1.0/projects', { name: tag })
    return { method: 'POST', path: `/1.0/projects/${tag}`, body: { name: `${tag}b` }, entity: tag }
  }),
  'server.reconcile': one(async () => ({ method: 'POST', path: '/1.0/reconcile', body: {}, entity: 'server' }), {
    alone: 'reconcile',
  }),
}

export function scenariosOf(kind: WorkerKind): Scenario[] {
  return SCENARIOS[kind].map((variant) => ({ ...variant, kind }))
}
