import { beforeEach, describe, expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { acceptance, ending, operationId, running, type Stores, submit } from './samples.ts'

const at = 1_763_731_260_000
const everything = { project: undefined, since: 0, until: Infinity, cursor: undefined, matches: () => true }

/** How every operation store lists, counts and forgets. `open` gives the stores of a new deployment. */
export function operationListsSuite(open: () => Promise<Stores>): void {
  let stores: Stores
  beforeEach(async () => {
    stores = await open()
  })

  const times = async (over: object) =>
    (await stores.operations.history({ ...everything, limit: 10, ...over })).operations.map(({ created }) => created)

  describe('lists', () => {
    test('many are read at once; those that are not known are left out', async () => {
      const ids = [await submit(stores), await submit(stores)]
      const found = await stores.operations.getMany([...ids, operationId()])
      expect(found.map(({ id }) => id)).toEqual(ids)
    })

    test('recent ones are unfinished or have just ended', async () => {
      const waiting = await submit(stores)
      const other = await submit(stores, acceptance({}, { project: 'other' }))
      const [old, fresh] = [await running(stores), await running(stores)]
      await stores.operations.end(old, ending({ at: at - 1 }))
      await stores.operations.end(fresh, ending({ at }))
      expect((await stores.operations.recent('default', at)).map(({ id }) => id)).toEqual([waiting, fresh.id])
      expect((await stores.operations.recent(undefined, at)).map(({ id }) => id)).toEqual([waiting, other, fresh.id])
    })

    test('unfinished ones come by when they were last touched', async () => {
      const [first, second] = [await running(stores), await running(stores)]
      await running(stores)
      await stores.operations.note(second, { at: 5 })
      await stores.operations.note(first, { at: 10 })
      expect(await stores.operations.unfinished(11, 10)).toEqual([second.id, first.id])
      expect(await stores.operations.unfinished(10, 10)).toEqual([second.id])
      expect(await stores.operations.unfinished(11, 1)).toEqual([second.id])
      await stores.operations.end(second, ending())
      expect(await stores.operations.unfinished(11, 10)).toEqual([first.id])
    })

    test('figures count by state and kind', async () => {
      await submit(stores)
      await running(stores)
      for (const state of ['success', 'failure', 'failure'] as const)
        await stores.operations.end(await running(stores), ending({ state }))
      const { pending, running: active, ended } = await stores.operations.figures()
      expect({ pending, active }).toEqual({ pending: 1, active: 1 })
      expect(ended.toSorted((a, b) => a.count - b.count)).toEqual([
        { kind: 'instance.create', state: 'success', count: 1 },
        { kind: 'instance.create', state: 'failure', count: 2 },
      ])
    })
  })

  describe('history', () => {
    test('goes through all of a project newest first, page by page, also within one millisecond', async () => {
      const ids: string[] = []
      for (let n = 0; n < 7; n += 1) ids.push(await submit(stores, acceptance({}, { created: n < 4 ? 1000 : 2000 })))
      await submit(stores, acceptance({}, { project: 'other' }))
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await stores.operations.history({ ...everything, project: 'default', limit: 3, cursor })
        expect(page.operations.length).toBeLessThanOrEqual(3)
        seen.push(...page.operations.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(seen).toEqual(ids.toReversed())
      expect((await stores.operations.history({ ...everything, limit: 100 })).operations).toHaveLength(8)
    })

    test('keeps to its times and its filter', async () => {
      for (const created of [1000, 2000, 3000, 4000]) await submit(stores, acceptance({}, { created }))
      expect(await times({ since: 2000, until: 3000 })).toEqual([3000, 2000])
      expect(await times({ matches: (operation: OperationRecord) => operation.created !== 3000 })).toEqual([
        4000, 2000, 1000,
      ])
    })

    test('refuses a cursor it did not give', async () => {
      const asked = stores.operations.history({ ...everything, limit: 1, cursor: 'nonsense' })
      await expect(asked).rejects.toMatchObject({ code: 'bad-request' })
    })
  })

  describe('prune', () => {
    test('forgets what ended before a time and what is over a number, never what is unfinished', async () => {
      const idempotency = { key: 'k', fingerprint: 'f', ttl: 60_000 }
      const first = await running(stores, acceptance({ idempotency }))
      await stores.operations.end(first, ending({ at: 1000 }))
      const kept: string[] = []
      for (const time of [2000, 3000, 4000]) {
        const own = await running(stores)
        await stores.operations.end(own, ending({ at: time }))
        kept.push(own.id)
      }
      const waiting = await submit(stores)
      expect(await stores.operations.prune(2000, 100)).toBe(1)
      expect(await stores.operations.get(first.id)).toBeUndefined()
      expect(await stores.records.idempotent('k')).toBeUndefined()
      expect(await stores.operations.prune(2000, 2)).toBe(1)
      expect(await stores.operations.prune(2000, 2)).toBe(0)
      const left = await stores.operations.history({ ...everything, limit: 10 })
      expect(left.operations.map(({ id }) => id)).toEqual([waiting, kept[2], kept[1]])
    })
  })
}
