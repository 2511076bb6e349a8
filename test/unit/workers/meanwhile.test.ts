import { expect, test } from 'vitest'
import type { AnyRecord, ImageRecord, VolumeRecord } from '../../../src/contract/records.ts'
import type { Engine } from '../../../src/core/engine.ts'
import type { RecordChange, RecordReader } from '../../../src/core/ports.ts'
import type { Kind } from '../../../src/operations/catalog.ts'
import { already } from '../../../workers/bringing.ts'
import { imagePack } from '../../../workers/handlers/image-pack.ts'
import { imageRefresh } from '../../../workers/handlers/image-refresh.ts'
import { instanceRefresh } from '../../../workers/handlers/instance-refresh.ts'
import { volumeBackupCreate } from '../../../workers/handlers/volume-backup-create.ts'
import type { Context, Handler } from '../../../workers/steps.ts'
import { instance, snapshot } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

// What steps make of records that others have changed since the operation was asked for.

function image(over: Partial<ImageRecord>): ImageRecord {
  const record = {
    uuid: 'i1',
    rev: 4,
    project: 'default',
    name: 'f1',
    tarball: '',
    engineImage: 'sha256:1',
    source: 'x',
  }
  const written = { public: false, properties: {}, profiles: ['default'], auto_update: true, cached: false }
  return { ...record, ...written, ...over } as ImageRecord // all that is read of it
}

/** A turn that finds these records and notes. */
function turnAt<K extends Kind>(
  kept: AnyRecord[],
  { input, notes = {}, engine = {} }: { input?: object; notes?: Record<string, unknown>; engine?: Partial<Engine> },
) {
  const passed: RecordChange[] = []
  const of = (noun: string) => kept.filter((one) => one.noun === noun).map(({ record }) => record)
  const context = absent<Context<K>>('context', {
    input: input as Context<K>['input'], // what the handler reads of it
    records: absent<RecordReader>('records', {
      get: (async (noun: string, uuid: string) => of(noun).find((one) => one.uuid === uuid)) as RecordReader['get'], // as kept
      find: (async (noun: string, _: string, name: string) =>
        of(noun).find((one) => one.name === name)) as RecordReader['find'], // as kept
      list: (async (noun: string) => of(noun)) as unknown as RecordReader['list'], // as kept
    }),
    engine: absent<Engine>('engine', { member: 'local', ...engine }),
    signal: AbortSignal.timeout(60_000),
    labels: (about) => ({ deployment: '', operation: '', step: '', ...about, origin: '' }),
    note: (step) => notes[step],
    forward: async (changes) => void passed.push(...changes),
    operation: { id: 'op' } as Context<K>['operation'], // all that is read
  })
  return { context, passed, kept }
}

const stepOf = <K extends Kind>(handler: Handler<K>, wanted: string) => {
  const step = handler.steps.find(({ name }) => name === wanted)
  if (step === undefined) throw new Error(`There is no step ${wanted}`)
  return step
}

test('a tarball that another export has made stays, whatever becomes of this one', async () => {
  const { context } = turnAt<'image.pack'>([{ noun: 'image', record: image({ tarball: 'windlass-i1' }) }], {
    input: { image: 'i1' },
  })
  const pack = stepOf(imagePack, 'pack')
  expect(await pack.run(context)).toBeUndefined()
  expect(await pack.undo?.(context)).toBeUndefined()
})

test('a refreshed image is what its users have made of the old one meanwhile', async () => {
  const now = image({ public: true, profiles: ['other'], properties: { os: 'mine' } })
  const { context, passed } = turnAt<'image.refresh'>([{ noun: 'image', record: now }], {
    input: { image: 'i1', next: image({ uuid: 'i2', rev: 0, name: '' }) },
    notes: {
      look: { name: 'f1', engineImage: 'sha256:1', tarball: '', source: 'x' },
      pull: { engineImage: 'sha256:2', fingerprint: 'f2', architecture: 'x86_64', size: 1, reference: 'x' },
    },
  })
  await stepOf(imageRefresh, 'record').run(context)
  const record = { uuid: 'i2', name: 'f2', public: true, profiles: ['other'], properties: { os: 'mine' } }
  expect(passed).toMatchObject([
    { change: 'remove', uuid: 'i1', rev: 4 },
    { change: 'put', noun: 'image', record },
  ])
})

test('a refresh ends with the snapshots it has copied, also where one that was to go is gone already', async () => {
  const copy = instance({ uuid: 'c', container: 'new' })
  const copied = snapshot({ uuid: 's2', instance: 'c' })
  const { context } = turnAt<'instance.refresh'>(
    [
      { noun: 'instance', record: copy },
      { noun: 'snapshot', record: snapshot({ uuid: 's0', instance: 'c', rev: 3 }) },
    ],
    {
      input: { instance: 'c', source: 'x', snapshots: [], gone: ['s0', 's1'] },
      notes: { look: { running: false, paused: false }, container: { old: 'old' }, snapshots: [copied] },
      engine: {
        containers: absent<Engine['containers']>('containers', {
          inspect: (async (id: string) => ({ id })) as unknown as Engine['containers']['inspect'], // all that is read
        }),
      },
    },
  )
  expect((await instanceRefresh.finish(context)).changes).toEqual([
    { change: 'remove', noun: 'snapshot', uuid: 's0', rev: 3 },
    { change: 'put', noun: 'snapshot', record: copied },
  ])
})

test('a backup of a volume has the snapshots that were there when it was asked for', async () => {
  const of = (uuid: string) =>
    ({ noun: 'volume-snapshot', record: { uuid, name: uuid, parent: 'v', volume: uuid, expires_at: '' } }) as AnyRecord // all that is read
  const packed: string[] = []
  const { context } = turnAt<'volume-backup.create'>(
    [{ noun: 'volume', record: { uuid: 'v', name: 'v', volume: 'v' } as VolumeRecord }, of('s0'), of('s1')], // likewise
    {
      input: { record: { uuid: 'b', parent: 'v', volume_only: false }, snapshots: ['s0'] },
      notes: { look: { running: [] } },
      engine: {
        volumeBackups: absent<Engine['volumeBackups']>('volumeBackups', {
          pack: async ({ snapshots }) => {
            packed.push(...snapshots.map(({ volume }) => volume))
            return { size: 1, sha256: '' }
          },
        }),
        containers: absent<Engine['containers']>('containers', { find: async () => [] }),
        volumes: absent<Engine['volumes']>('volumes', { remove: async () => 'removed' }),
      },
    },
  )
  await stepOf(volumeBackupCreate, 'pack').run(context)
  expect(packed).toEqual(['s0'])
})

test('what was brought is not told of where it has made room for an image that is deleted meanwhile', async () => {
  const { context, kept } = turnAt<'image.pull'>([{ noun: 'image', record: image({ uuid: 'other' }) }], {
    engine: {
      images: absent<Engine['images']>('images', { untag: async () => 'removed' }),
      containers: absent<Engine['containers']>('containers', { find: async () => [] }),
      volumes: absent<Engine['volumes']>('volumes', { remove: async () => 'removed' }),
    },
  })
  expect(await already(context, image({}), 'i1')).toMatchObject({ uuid: 'other' })
  kept.pop()
  await expect(already(context, image({}), 'i1')).rejects.toMatchObject({ code: 'conflict' })
})
