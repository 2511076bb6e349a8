import { beforeEach, describe, expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import {
  acceptance,
  accepted,
  ending,
  eventsOf,
  hold,
  instance,
  lease,
  operationId,
  putInstance,
  requestor,
  running,
  type Stores,
  submit,
} from './samples.ts'

const name = { noun: 'instance', scope: 'default', name: 'c1' } as const
const owned = { key: 'instance:u1', mode: 'own', action: 'start the machine' } as const
const used = { key: 'instance:u1', mode: 'use', action: 'exec' } as const
const cancel = { by: requestor, at: 1_763_731_250_000 }
const at = 1_763_731_260_000

/** What every operation store does. `open` gives the stores of a new deployment. */
export function operationStoreSuite(open: () => Promise<Stores>): void {
  let stores: Stores
  beforeEach(async () => {
    stores = await open()
  })

  async function read(id: string): Promise<OperationRecord> {
    const operation = await stores.operations.get(id)
    if (operation === undefined) throw new Error(`Operation ${id} is not there`)
    return operation
  }

  describe('accept', () => {
    test('writes a pending operation with its input as it is, and one event', async () => {
      const input = {
        empty: [],
        nothing: {},
        big: 12_345_678_901_234,
        text: 'ü\u0000\ud800 "\\',
        deep: [[null, false]],
      }
      const operation = accepted({ input })
      const answer = await stores.operations.accept(acceptance({ operation }))
      const course = { state: 'pending', epoch: 1, fence: 0, attempts: 0, notes: [], cancel: null, metadata: null }
      expect(answer).toMatchObject({
        outcome: 'accepted',
        operation: { ...operation, ...course, updated: operation.created },
      })
      expect(await stores.operations.get(operation.id)).toEqual(answer.outcome === 'accepted' && answer.operation)
      expect(await eventsOf(stores)).toMatchObject([
        { type: 'operation', project: 'default', operation: { id: operation.id, state: 'pending', input } },
      ])
    })

    test('answers the same when it is sent twice', async () => {
      const asked = acceptance({ names: [name], busy: [owned] })
      expect(await stores.operations.accept(asked)).toEqual(await stores.operations.accept(asked))
      expect(await eventsOf(stores)).toHaveLength(1)
    })

    test('refuses a reserved name and one that a record has; nothing is changed then', async () => {
      const first = await running(stores, acceptance({ names: [name] }))
      const second = acceptance({ names: [name], busy: [owned] })
      expect(await stores.operations.accept(second)).toEqual({ outcome: 'name-taken', claim: name })
      await stores.operations.end(first, ending({ changes: [putInstance(instance())] }))
      const before = await eventsOf(stores)
      expect(await stores.operations.accept(second)).toEqual({ outcome: 'name-taken', claim: name })
      expect(await stores.operations.get(second.operation.id)).toBeUndefined()
      expect(await stores.operations.busy(owned.key)).toBeUndefined()
      expect(await eventsOf(stores)).toEqual(before)
      await submit(stores, acceptance({ names: [{ ...name, scope: 'other' }] }))
    })

    test('one owner and no users, or many users', async () => {
      const owner = await running(stores, acceptance({ busy: [owned] }))
      const busy = { outcome: 'busy', key: owned.key, action: owned.action, operation: owner.id }
      expect(await stores.operations.busy(owned.key)).toEqual({ action: owned.action, operation: owner.id })
      expect(await stores.operations.accept(acceptance({ busy: [owned] }))).toEqual(busy)
      expect(await stores.operations.accept(acceptance({ busy: [used] }))).toEqual(busy)
      await stores.operations.end(owner, ending({ state: 'failure' }))
      const users = [
        await running(stores, acceptance({ busy: [used] })),
        await running(stores, acceptance({ busy: [used] })),
      ]
      expect(await stores.operations.accept(acceptance({ busy: [owned] }))).toMatchObject({
        outcome: 'busy',
        action: 'exec',
      })
      for (const user of users) await stores.operations.end(user, ending())
      await submit(stores, acceptance({ busy: [owned] }))
    })

    test('a repeat of an idempotency key gets what the first one led to', async () => {
      const idempotency = { key: 'alice/default/k1', fingerprint: 'f1', ttl: 60_000 }
      const id = await submit(stores, acceptance({ idempotency, names: [name] }))
      const repeat = { outcome: 'repeat', fingerprint: 'f1', operation: id, answer: undefined }
      const again = acceptance({ idempotency: { ...idempotency, fingerprint: 'f2' }, names: [name] })
      expect(await stores.operations.accept(again)).toEqual(repeat)
      expect(await stores.records.idempotent(idempotency.key)).toEqual(repeat)
      expect(await stores.records.idempotent('alice/default/k2')).toBeUndefined()
    })

    test('writes records with it, and refuses when their revs or names are not free', async () => {
      const record = lease()
      await submit(stores, acceptance({ changes: [{ change: 'put', noun: 'lease', record }] }))
      expect(await stores.records.get('lease', record.uuid)).toEqual({ ...record, rev: 1 })
      const taken = acceptance({ changes: [{ change: 'put', noun: 'lease', record: lease() }] })
      const claim = { noun: 'lease', scope: 'net1', name: '10.0.0.2' }
      expect(await stores.operations.accept(taken)).toEqual({ outcome: 'name-taken', claim })
      const changed = acceptance({ changes: [{ change: 'remove', noun: 'lease', uuid: record.uuid, rev: 4 }] })
      expect(await stores.operations.accept(changed)).toEqual({ outcome: 'changed', noun: 'lease', uuid: record.uuid })
    })

    test('fifty at once for one name: one wins', async () => {
      const asked = Array.from({ length: 50 }, () => acceptance({ names: [name], busy: [owned] }))
      const answers = await Promise.all(asked.map((each) => stores.operations.accept(each)))
      expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1)
      expect(answers.filter(({ outcome }) => outcome === 'name-taken')).toHaveLength(49)
      expect((await stores.operations.figures()).pending).toBe(1)
    })
  })

  describe('cancel', () => {
    test('ends a pending one at once, and takes back the records made with it', async () => {
      const record = lease()
      const changes = [{ change: 'put', noun: 'lease', record } as const]
      const id = await submit(stores, acceptance({ names: [name], busy: [owned], changes }))
      expect(await stores.operations.cancel(id, cancel)).toBe('cancelled')
      const ended = { state: 'cancelled', ended: cancel.at, cancel, err: 'Operation cancelled', code: 'cancelled' }
      expect(await read(id)).toMatchObject(ended)
      expect(await stores.operations.busy(owned.key)).toBeUndefined()
      expect(await stores.records.get('lease', record.uuid)).toBeUndefined()
      expect(await stores.operations.begin(hold(id), 'w1', at)).toEqual({ outcome: 'final' })
      expect(await stores.operations.cancel(id, cancel)).toBe('final')
      expect((await eventsOf(stores)).at(-1)).toMatchObject({ type: 'operation', operation: ended })
      await submit(stores, acceptance({ names: [name], busy: [owned], changes }))
    })

    test('asks a running one, once', async () => {
      const own = await running(stores)
      expect(await stores.operations.cancel(own.id, cancel)).toBe('asked')
      expect(await stores.operations.cancel(own.id, { ...cancel, at: at + 5 })).toBe('asked')
      expect(await read(own.id)).toMatchObject({ state: 'running', cancel })
      const begun = await stores.operations.begin({ ...own, attempt: 2, token: 't2' }, 'w2', at)
      expect(begun).toMatchObject({ outcome: 'begun', operation: { cancel } })
      expect((await eventsOf(stores)).slice(2, 4)).toMatchObject([
        { type: 'cancel', operation: own.id, project: 'default' },
        { type: 'operation', operation: { cancel } },
      ])
    })

    test('refuses one that cannot be cancelled, and knows what it does not know', async () => {
      const own = await running(stores, acceptance({}, { cancellable: false }))
      expect(await stores.operations.cancel(own.id, cancel)).toBe('refused')
      expect(await stores.operations.cancel(operationId(), cancel)).toBe('unknown')
    })

    test('two hundred races with the end never give both', async () => {
      for (let round = 0; round < 200; round += 1) {
        const own = await running(stores)
        const [asked, ended] = await Promise.all(
          round % 2 === 0
            ? [stores.operations.cancel(own.id, cancel), stores.operations.end(own, ending())]
            : [stores.operations.end(own, ending()), stores.operations.cancel(own.id, cancel)].toReversed(),
        )
        const { state } = await read(own.id)
        expect([asked, ended, state].join(' ')).toMatch(/^(asked cancelling running|final ended success)$/)
      }
    })
  })

  describe('raiseEpoch', () => {
    test('takes an operation from its worker and gives the next job a higher fence', async () => {
      const old = await running(stores)
      const raised = await stores.operations.raiseEpoch(old.id, at)
      expect(raised).toMatchObject({ id: old.id, epoch: 2, attempt: 0 })
      expect(await stores.operations.note(old, { at })).toBe('fenced')
      expect(await stores.operations.end(old, ending())).toBe('fenced')
      const next = hold(old.id, { epoch: 2, token: 't9' })
      expect(await stores.operations.begin(next, 'w2', at)).toMatchObject({
        outcome: 'begun',
        operation: { attempts: 2 },
      })
    })

    test('its hold ends one that nobody began', async () => {
      const id = await submit(stores, acceptance({ names: [name] }))
      const raised = await stores.operations.raiseEpoch(id, at)
      if (raised === undefined) throw new Error('Nothing to hold')
      expect(await stores.operations.end(raised, ending({ state: 'failure', err: 'gone' }))).toBe('ended')
      expect(await stores.operations.raiseEpoch(id, at)).toBeUndefined()
      expect(await stores.operations.raiseEpoch(operationId(), at)).toBeUndefined()
      await submit(stores, acceptance({ names: [name] }))
    })
  })
}
