import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { AnyRecord, InstanceRecord, Noun } from '../../../src/contract/records.ts'
import type { ContainerSummary, OwnLabels } from '../../../src/core/container.ts'
import type { Engine, VolumeDetail } from '../../../src/core/engine.ts'
import type { Clock, RecordChange, RecordStore } from '../../../src/core/ports.ts'
import { findLeftovers } from '../../../src/sweep/leftovers.ts'
import type { Mend } from '../../../src/sweep/mend.ts'
import { findRebuildable } from '../../../src/sweep/rebuild.ts'
import { lookAt, type SightDeps } from '../../../src/sweep/sight.ts'
import { findMissing, findUnexplained } from '../../../src/sweep/unexplained.ts'
import { instance } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

// What happens to an engine and to the records while a sweep looks at them, of things whose makers are forgotten.

const NOW = 100 * 3_600_000
const U1 = '00000000-0000-4000-8000-000000000001'
const U2 = '00000000-0000-4000-8000-000000000002'

interface World {
  containers: string[]
  /** Volumes by name, with what their labels say of them. */
  volumes: Record<string, Partial<OwnLabels>>
  records: Extract<AnyRecord, { noun: 'instance' | 'backup' }>[]
  operations: Partial<OperationRecord>[]
  /** Of instances. */
  busy: string[]
}

const labels = (more: Partial<OwnLabels>): OwnLabels => ({
  deployment: 'd',
  role: 'instance',
  uuid: U1,
  project: 'default',
  operation: 'forgotten',
  step: 's',
  origin: JSON.stringify(instance({ uuid: U1, container: 'old' })),
  ...more,
})

const backup = (uuid: string) => ({
  v: 1 as const,
  rev: 0,
  uuid,
  project: 'default',
  name: 'b1',
  member: 'local',
  instance: U1,
  instance_only: false,
  created_at: '2026-11-21T09:16:00.000Z',
  expires_at: '0001-01-01T00:00:00Z',
  size: 0,
  tarball: '',
})

const ofBackup = (uuid: string): Partial<OwnLabels> => ({ role: 'backup', uuid, origin: JSON.stringify(backup(uuid)) })

interface Swept {
  found: string[]
  written: RecordChange[]
}

/** What a sweep finds and does. `meanwhile` happens between its look at the engine and its look at the records. */
async function sweep(world: World, meanwhile: (now: World) => void): Promise<Swept> {
  let hasHappened = false
  const written: RecordChange[] = []
  const list = async (noun: Noun): Promise<unknown> =>
    world.records.filter((one) => one.noun === noun).map(({ record }) => record)
  const records = absent<RecordStore>('records', {
    list: list as RecordStore['list'], // the nouns that are asked for
    get: (async (noun: Noun, uuid: string) =>
      world.records.find((one) => one.noun === noun && one.record.uuid === uuid)?.record) as RecordStore['get'], // as above
    find: (async (_noun: Noun, _scope: string, name: string) =>
      name === 'default' ? { name } : undefined) as unknown as RecordStore['find'], // the project
    unreadable: async () => [],
    write: async ({ changes }) => {
      written.push(...changes)
      return { outcome: 'written' }
    },
  })
  const store: SightDeps['store'] & { busy(key: string): Promise<{ action: string; operation: string } | undefined> } =
    {
      getMany: async () => {
        if (!hasHappened) meanwhile(world)
        hasHappened = true
        return []
      },
      recent: async () => world.operations as OperationRecord[], // what is read
      busy: async (key) => (world.busy.includes(key) ? { action: 'update', operation: 'o' } : undefined),
    }
  const summaryOf = (id: string) =>
    ({ id, name: id, own: labels({}), imageId: 'i', created: 0, status: 'running' }) as unknown as ContainerSummary // what is read
  const engine = absent<Engine>('engine', {
    member: 'local',
    containers: absent<Engine['containers']>('containers', {
      list: async () => world.containers.map(summaryOf),
      inspect: (async (id: string) =>
        world.containers.includes(id)
          ? { ...summaryOf(id), mounts: [], networks: {} }
          : undefined) as unknown as Engine['containers']['inspect'], // what is read
    }),
    volumes: absent<Engine['volumes']>('volumes', {
      find: async () =>
        Object.entries(world.volumes).map(
          ([name, own]) => ({ name, own: labels(own), created: 0 }) as unknown as VolumeDetail, // what is read
        ),
      remove: async () => 'removed',
    }),
    images: absent<Engine['images']>('images', { list: async () => [] }),
    networks: absent<Engine['networks']>('networks', { list: async () => [] }),
  })
  const warnings = { raise: async () => undefined, resolve: async () => undefined }
  const clock = absent<Clock>('clock', { now: () => NOW, uuid: () => U2 })
  const deps = { records, store, clock, warnings, newProject: () => [], transfers: { look: async () => new Map() } }
  const sight = await lookAt(deps, engine, NOW)
  const rebuilt = findRebuildable(deps, sight)
  const teller = { warnings, told: new Set<string>() }
  const uuids = new Set(rebuilt.flatMap(({ uuid }) => uuid ?? []))
  const found: Mend[] = [
    ...rebuilt,
    ...(await findLeftovers(deps, sight, NOW)),
    ...findUnexplained(teller, sight, uuids),
    ...(await findMissing(teller, deps, sight, uuids)),
  ]
  const done: string[] = []
  for (const { action, object, mend } of found) if (await mend()) done.push(`${action} ${object}`)
  return { found: done, written }
}

function worldOf(more: Partial<World> = {}): World {
  return { containers: [], volumes: {}, records: [], operations: [], busy: [], ...more }
}

const known = (over: Partial<InstanceRecord> = {}) =>
  ({ noun: 'instance', record: instance({ uuid: U1, container: 'old', ...over }) }) as const

test('an instance that has just got another container keeps it, although the old one is still there', async () => {
  const swept = await sweep(worldOf({ containers: ['old'], records: [known()] }), (now) => {
    now.containers.push('new')
    now.records = [known({ container: 'new' })]
  })
  expect(swept).toEqual({ found: [], written: [] })
})

test('an instance whose container is gone gets the other one that it has', async () => {
  const { found, written } = await sweep(worldOf({ containers: ['other'], records: [known()] }), () => undefined)
  expect(found).toEqual([`rebuild instance c1 of project default (${U1})`])
  expect(written).toMatchObject([{ change: 'put', noun: 'instance', record: { uuid: U1, container: 'other' } }])
})

test('nobody hears that the container of an instance is gone which has just been made', async () => {
  const { found } = await sweep(worldOf(), (now) => {
    now.containers = ['new']
    now.records = [known({ container: 'new' })]
  })
  expect(found).toEqual([])
})

test('what is deleted while the sweep looks does not come back', async () => {
  const here = worldOf({
    volumes: { 'windlass-b': ofBackup(U2) },
    records: [known(), { noun: 'backup', record: { ...backup(U2), tarball: 'windlass-b' } }],
    containers: ['old'],
  })
  const swept = await sweep(here, (now) => {
    now.volumes = {}
    now.records = [known()]
  })
  expect(swept).toEqual({ found: [], written: [] })
})

test('a tarball that was being sent when its backup was deleted goes, and the backup does not come back', async () => {
  const deletion = { kind: 'backup.delete', state: 'success', entity: { type: 'backup', id: U2, name: '', url: '' } }
  const here = worldOf({
    containers: ['old'],
    records: [known()],
    volumes: { 'windlass-b': ofBackup(U2) },
    operations: [deletion as Partial<OperationRecord>], // what is read
  })
  expect(await sweep(here, () => undefined)).toEqual({ found: ['remove volume windlass-b'], written: [] })
})

test('a backup of which nobody knows anything comes back', async () => {
  const here = worldOf({ containers: ['old'], records: [known()], volumes: { 'windlass-b': ofBackup(U2) } })
  const { found, written } = await sweep(here, () => undefined)
  expect(found).toEqual([`rebuild backup b1 of project default (${U2})`])
  expect(written).toMatchObject([{ noun: 'backup', record: { uuid: U2, tarball: 'windlass-b' } }])
})
