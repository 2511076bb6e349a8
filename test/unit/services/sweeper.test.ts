import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { JobQueue, Leader, OperationStore, Ticket } from '../../../src/core/ports.ts'
import { createSweeper, type SweeperDeps } from '../../../src/services/sweeper.ts'
import { absent } from '../../support/absent.ts'
import { accepted } from '../../ports/samples.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A store with so many unfinished operations, of which all but `lost` are in the queue. */
function sweeperOver(count: number, lost: number, more: Partial<SweeperDeps> = {}) {
  const operations = Array.from({ length: count }, () => accepted())
  const added: Ticket[] = []
  let reads = 0
  const read: string[] = []
  const store = absent<OperationStore>('store', {
    unfinished: async (_before, limit, skip = 0) => {
      reads += limit
      return operations.slice(skip, skip + limit).map(({ id }) => id)
    },
    getMany: async (ids) => {
      read.push(...ids)
      const wanted = new Set(ids)
      return operations.filter(({ id }) => wanted.has(id)) as Awaited<ReturnType<OperationStore['getMany']>> // no course is read
    },
    raiseEpoch: async (id) => ({ id, epoch: 2, attempt: 0, token: 't' }),
    prune: async () => 0,
  })
  const has = (id: string) => id !== operations[lost]?.id || added.length > 0
  const queue = absent<JobQueue>('queue', {
    has: async (_member, id) => has(id),
    doubtful: async (ids) => ids.filter((id) => !has(id)),
    add: async (_member, ticket) => void added.push(ticket),
  })
  const leader: Leader = { lead: async () => true, resign: async () => undefined }
  const clock = { now: () => 0, uuid: () => 'u', operationId: () => 'o' }
  const keep = { age: 1, operations: 1 }
  const onError = (failure: unknown) => {
    throw failure
  }
  const sweeper = createSweeper({ leader, store, queue, clock, keep, onError, ...more })
  return { sweeper, added, read, operation: operations[lost]?.id, reads: () => reads }
}

test('a lost job behind a long backlog is found, and a sweep has its bound', async () => {
  const { sweeper, added, operation, reads } = sweeperOver(1_700, 1_650)
  await vi.advanceTimersByTimeAsync(1_000)
  expect([reads(), added.length]).toEqual([500, 0])
  await vi.advanceTimersByTimeAsync(3_000)
  expect(added).toEqual([{ id: operation, kind: 'instance.create', epoch: 2 }])
  await sweeper.close()
})

test('after the end of the backlog it begins anew', async () => {
  const { sweeper, added, reads } = sweeperOver(600, 599)
  await vi.advanceTimersByTimeAsync(5_000)
  expect([reads(), added.length]).toEqual([2_500, 1])
  await sweeper.close()
})

test('however many wait in the queue, only what is not in it is read', async () => {
  const { sweeper, read, operation } = sweeperOver(16_000, 15_999)
  await vi.advanceTimersByTimeAsync(31_000)
  expect(read).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(read).toEqual([operation])
  await sweeper.close()
})

test('a process that does not lead looks at nothing', async () => {
  const leader: Leader = { lead: async () => false, resign: async () => undefined }
  const { sweeper, reads } = sweeperOver(10, 0, { leader })
  await vi.advanceTimersByTimeAsync(3_000)
  expect(reads()).toBe(0)
  await sweeper.close()
})
