import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import { notFound } from '../../../src/core/failure.ts'
import type { Acceptance, EventBus, JobQueue, LogEvent, OperationStore } from '../../../src/core/ports.ts'
import type { Caller } from '../../../src/services/caller.ts'
import { createOperations, type Submission } from '../../../src/services/operations.ts'
import { createWaits } from '../../../src/services/waits.ts'
import { absent } from '../../support/absent.ts'

const caller: Caller = {
  requestor: { username: 'root', protocol: 'unix', address: '@' },
  role: 'admin',
  projects: null,
}

const start: Submission<'instance.start'> = {
  kind: 'instance.start',
  input: { instance: 'u1' },
  project: 'default',
  member: 'local',
  entity: { id: 'u1', name: 'c1', url: '/1.0/instances/c1' },
  resources: null,
}

/** A store with one operation in it, whose queue takes jobs as `add` does; events are told by `tell`. */
function openOperations(add: JobQueue['add']) {
  const kept = new Map<string, OperationRecord>()
  const reads: string[] = []
  const failed: string[] = []
  const store = absent<OperationStore>('store', {
    accept: async ({ operation }: Acceptance) => {
      const record = { ...operation, state: 'pending', epoch: 1 } as OperationRecord // the fields that are looked at
      kept.set(record.id, record)
      return { outcome: 'accepted', operation: record }
    },
    get: async (id: string) => {
      reads.push(id)
      return kept.get(id)
    },
  })
  const listeners = new Set<(event: LogEvent) => void>()
  const bus = absent<EventBus>('bus', {
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  })
  const waits = createWaits({ bus, store, longest: 60_000 })
  const operations = createOperations({
    store,
    queue: absent<JobQueue>('queue', { add }),
    waits,
    clock: systemClock,
    birth: 0,
    retention: 60_000,
    onQueueFailure: (_, { id }) => failed.push(id),
  })
  const end = (operation: OperationRecord): OperationRecord => {
    const ended: OperationRecord = { ...operation, state: 'success' }
    kept.set(ended.id, ended)
    const event = {
      type: 'operation',
      id: '1-1',
      at: 1,
      project: 'default',
      state: ended.state,
      operation: ended,
    } as const
    for (const listener of listeners) listener(event)
    return ended
  }
  return { operations, waits, reads, failed, end }
}

test('an acceptance is answered before its job is in the queue; closing waits for the job', async () => {
  const queueing = Promise.withResolvers<void>()
  const { operations, waits, failed } = openOperations(() => queueing.promise)
  await operations.submit(caller, start)
  let isClosed = false
  const closing = operations.close().then(() => (isClosed = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isClosed).toBe(false)
  queueing.resolve()
  await closing
  expect(failed).toEqual([])
  waits.close()
})

test('a job that does not get into the queue is told, and the operation stands', async () => {
  const { operations, waits, failed } = openOperations(() => Promise.reject(new Error('away')))
  const { id } = await operations.submit(caller, start)
  await operations.close()
  expect(failed).toEqual([id])
  expect((await operations.get(caller, id)).state).toBe('pending')
  waits.close()
})

test('a wait reads the operation once and is woken by its end', async () => {
  const { operations, waits, reads, end } = openOperations(async () => undefined)
  const operation = await operations.submit(caller, start)
  const waiting = operations.wait(caller, operation.id, -1)
  await new Promise((resolve) => setImmediate(resolve))
  const ended = end(operation)
  expect(await waiting).toBe(ended)
  expect(reads).toEqual([operation.id])
  expect(await operations.wait(caller, operation.id, -1)).toBe(ended)
  expect(reads).toHaveLength(2)
  waits.close()
})

test('nobody waits for an operation of a project he may not enter', async () => {
  const { operations, waits } = openOperations(async () => undefined)
  const { id } = await operations.submit(caller, start)
  const stranger: Caller = { ...caller, role: 'viewer', projects: ['other'] }
  await expect(operations.wait(stranger, id, -1)).rejects.toEqual(notFound('Operation not found'))
  waits.close()
})
