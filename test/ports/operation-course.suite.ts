import { beforeEach, describe, expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import {
  acceptance,
  alias,
  ending,
  eventsOf,
  hold,
  instance,
  lease,
  lifecycle,
  operationId,
  putAlias,
  putInstance,
  requestor,
  running,
  type Stores,
  submit,
} from './samples.ts'

const name = { noun: 'instance', scope: 'default', name: 'c1' } as const
const owned = { key: 'instance:u1', mode: 'own', action: 'start the machine' } as const
const cancel = { by: requestor, at: 1_763_731_250_000 }
const at = 1_763_731_260_000

/** What happens to an operation in a worker, in every store. `open` gives the stores of a new deployment. */
export function operationCourseSuite(open: () => Promise<Stores>): void {
  let stores: Stores
  beforeEach(async () => {
    stores = await open()
  })

  async function read(id: string): Promise<OperationRecord> {
    const operation = await stores.operations.get(id)
    if (operation === undefined) throw new Error(`Operation ${id} is not there`)
    return operation
  }

  describe('begin', () => {
    test('gives the record and the secret, once per attempt', async () => {
      const id = await submit(stores, acceptance({ secret: '{"password":"x"}' }))
      const begun = await stores.operations.begin(hold(id), 'w1', at)
      const course = { state: 'running', worker: 'w1', attempts: 1, fence: 1_000_001, started: at, updated: at }
      expect(begun).toMatchObject({ outcome: 'begun', secret: '{"password":"x"}', operation: course })
      expect(await stores.operations.begin(hold(id), 'w1', at + 1)).toEqual(begun)
      expect(await eventsOf(stores)).toHaveLength(2)
    })

    test('a higher fence takes over; a lower one and the same with another token do not', async () => {
      const first = await running(stores)
      expect(await stores.operations.begin({ ...first, token: 'other' }, 'w2', at)).toEqual({ outcome: 'fenced' })
      const second = { ...first, attempt: 2, token: 't2' }
      const begun = await stores.operations.begin(second, 'w2', at)
      expect(begun).toMatchObject({ outcome: 'begun', operation: { attempts: 2, worker: 'w2' } })
      expect(await stores.operations.begin(first, 'w1', at)).toEqual({ outcome: 'fenced' })
    })

    test('tells of operations that are final or not known', async () => {
      const own = await running(stores)
      await stores.operations.end(own, ending())
      expect(await stores.operations.begin({ ...own, attempt: 2 }, 'w1', at)).toEqual({ outcome: 'final' })
      expect(await stores.operations.begin(hold(operationId()), 'w1', at)).toEqual({ outcome: 'unknown' })
    })
  })

  describe('note', () => {
    const progress = { step: 1, steps: 3, name: 'pull', percent: 40, text: 'Pull: 40%' }
    const note = { name: 'pull', at, attempt: 1, data: { list: [], id: 'x' } }

    test('keeps notes, progress and metadata; the same note once', async () => {
      const own = await running(stores)
      expect(await stores.operations.note(own, { notes: [note], progress, metadata: { a: [] }, at })).toBe('written')
      expect(await stores.operations.note(own, { notes: [note], at })).toBe('written')
      const make = { ...note, name: 'make' }
      expect(await stores.operations.note(own, { notes: [note, make], at: at + 1 })).toBe('written')
      const operation = await read(own.id)
      expect(operation).toMatchObject({ notes: [note, make], progress, metadata: { a: [] } })
      expect(operation).toMatchObject({ updated: at + 1, forward: false })
      expect((await eventsOf(stores)).at(-1)).toMatchObject({ type: 'operation', operation })
    })

    test('with record changes it passes the point of no return, once', async () => {
      const own = await running(stores, acceptance({ names: [name] }))
      const record = instance()
      const written = { notes: [note], changes: [putInstance(record)], at }
      expect(await stores.operations.note(own, written)).toBe('written')
      expect(await stores.operations.note(own, { ...written, at: at + 1 })).toBe('written')
      expect(await stores.records.get('instance', record.uuid)).toEqual({ ...record, rev: 1 })
      expect(await read(own.id)).toMatchObject({ forward: true, notes: [note] })
      expect(await stores.operations.cancel(own.id, cancel)).toBe('refused')
      // Its name is its own by now, whoever writes the record.
      const write = { changes: [putInstance({ ...record, rev: 1, description: 'mine' })], at }
      expect(await stores.records.write(write)).toEqual({ outcome: 'written' })
    })

    test('refuses changes of records that someone else changed', async () => {
      const own = await running(stores)
      const record = instance({ rev: 3 })
      expect(await stores.operations.note(own, { notes: [note], changes: [putInstance(record)], at })).toBe('changed')
      expect(await read(own.id)).toMatchObject({ forward: false, notes: [] })
    })

    test('tells of a cancel, and does not pass the point of no return then', async () => {
      const own = await running(stores)
      expect(await stores.operations.cancel(own.id, cancel)).toBe('asked')
      expect(await stores.operations.note(own, { notes: [note], at })).toBe('cancel')
      const record = instance()
      expect(await stores.operations.note(own, { changes: [putInstance(record)], at })).toBe('cancel')
      expect(await stores.records.get('instance', record.uuid)).toBeUndefined()
      expect(await read(own.id)).toMatchObject({ notes: [note], forward: false, cancel })
    })

    test('is refused after a takeover, before a begin and after the end', async () => {
      const old = await running(stores)
      await stores.operations.begin({ ...old, attempt: 2, token: 't2' }, 'w2', at)
      const before = await read(old.id)
      expect(
        await stores.operations.note(old, { notes: [note], progress, changes: [putInstance(instance())], at }),
      ).toBe('fenced')
      expect(await stores.operations.note({ ...old, attempt: 2 }, { notes: [note], at })).toBe('fenced')
      expect(await read(old.id)).toEqual(before)
      const pending = await submit(stores)
      expect(await stores.operations.note(hold(pending), { notes: [note], at })).toBe('fenced')
      const done = await running(stores)
      await stores.operations.end(done, ending())
      expect(await stores.operations.note(done, { notes: [note], at })).toBe('fenced')
      expect(await stores.records.list('instance')).toEqual([])
    })

    test('what was observed of the engine goes out as an event', async () => {
      const own = await running(stores)
      const observed = [{ member: 'local', container: 'abc', summary: undefined }]
      await stores.operations.note(own, { observed, at })
      const events = await eventsOf(stores)
      expect(events.filter(({ type }) => type === 'record')).toMatchObject([
        { inv: 1, changes: [], observed: [{ member: 'local', container: 'abc' }] },
      ])
    })
  })

  describe('end', () => {
    test('frees the claims, writes the records and tells everyone, once', async () => {
      const own = await running(stores, acceptance({ names: [name], busy: [owned], secret: 's' }))
      const record = instance()
      const end = ending({
        metadata: { list: [] },
        warnings: ['w'],
        notes: [{ name: 'last', at, attempt: 1, data: [] }],
        changes: [putInstance(record)],
        lifecycle: [lifecycle('instance-created')],
      })
      expect(await stores.operations.end(own, end)).toBe('ended')
      expect(await stores.operations.end(own, end)).toBe('ended')
      const operation = await read(own.id)
      const course = { state: 'success', ended: end.at, updated: end.at, metadata: { list: [] }, warnings: ['w'] }
      expect(operation).toMatchObject({ ...course, notes: end.notes })
      expect(await stores.operations.busy(owned.key)).toBeUndefined()
      expect(await stores.records.find('instance', 'default', 'c1')).toEqual({ ...record, rev: 1 })
      expect((await eventsOf(stores)).slice(2)).toMatchObject([
        { type: 'record', inv: 1, changes: [{ noun: 'instance', record: { ...record, rev: 1 } }], observed: [] },
        { type: 'operation', operation },
        { type: 'lifecycle', lifecycle: lifecycle('instance-created') },
      ])
      expect(await stores.operations.figures()).toEqual({
        pending: 0,
        running: 0,
        ended: [{ kind: 'instance.create', state: 'success', count: 1 }],
      })
    })

    test('is written once: another end is told that it is final', async () => {
      const own = await running(stores)
      await stores.operations.end(own, ending())
      expect(await stores.operations.end(own, ending({ state: 'failure' }))).toBe('final')
      expect(await stores.operations.end({ ...own, token: 'x' }, ending())).toBe('final')
      expect(await read(own.id)).toMatchObject({ state: 'success' })
    })

    test('an old token writes nothing after a takeover', async () => {
      const old = await running(stores, acceptance({ names: [name] }))
      await stores.operations.begin({ ...old, attempt: 2, token: 't2' }, 'w2', at)
      const before = await eventsOf(stores)
      expect(await stores.operations.end(old, ending({ changes: [putInstance(instance())] }))).toBe('fenced')
      expect(await eventsOf(stores)).toEqual(before)
      expect(await stores.operations.accept(acceptance({ names: [name] }))).toMatchObject({ outcome: 'name-taken' })
    })

    test('refuses changes of records that someone else changed', async () => {
      const own = await running(stores)
      const changes = [putInstance(instance({ rev: 2 }))]
      expect(await stores.operations.end(own, ending({ changes }))).toBe('changed')
      expect(await stores.operations.end(own, ending({ state: 'failure', err: 'no', code: 'internal' }))).toBe('ended')
      expect(await read(own.id)).toMatchObject({ state: 'failure', err: 'no', code: 'internal' })
    })

    test('refuses success once a cancel was promised', async () => {
      const own = await running(stores)
      await stores.operations.cancel(own.id, cancel)
      expect(await stores.operations.end(own, ending())).toBe('cancelling')
      const undone = ['Removed container']
      expect(await stores.operations.end(own, ending({ state: 'cancelled', undone }))).toBe('ended')
      expect(await read(own.id)).toMatchObject({ state: 'cancelled', undone, cancel })
    })
  })

  test('what was taken for an operation stays only if it succeeds', async () => {
    const take = async (state: 'success' | 'failure' | 'cancelled') => {
      const record = lease({ name: state })
      const changes = [{ change: 'put', noun: 'lease', record } as const]
      const own = await running(stores, acceptance({ changes }))
      expect(await stores.operations.end(own, ending({ state }))).toBe('ended')
      return stores.records.get('lease', record.uuid)
    }
    expect(await take('success')).toMatchObject({ rev: 1 })
    expect(await take('failure')).toBeUndefined()
    expect(await take('cancelled')).toBeUndefined()
  })

  test('an alias may take the name that another one gives up in the same write', async () => {
    const own = await running(stores)
    const [a, b] = [alias({ name: 'a' }), alias({ name: 'b' })]
    await stores.records.write({ changes: [putAlias(a), putAlias(b)], at })
    const changes = [putAlias({ ...a, rev: 1, name: 'b' }), putAlias({ ...b, rev: 1, name: 'a' })]
    expect(await stores.operations.end(own, ending({ changes }))).toBe('ended')
    expect(await stores.records.find('alias', 'default', 'a')).toMatchObject({ uuid: b.uuid, rev: 2 })
    expect(await stores.records.find('alias', 'default', 'b')).toMatchObject({ uuid: a.uuid, rev: 2 })
  })
}
