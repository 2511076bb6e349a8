import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Ticket } from '../../src/core/ports.ts'
import { openJobQueue } from '../../src/redis/job-queue.ts'
import { openJobSource } from '../../src/redis/job-source.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { jobQueueSuite, type PerformTurn, type QueueUnderTest, ticket } from './job-queue.suite.ts'
import { startDeployments, storesOf, type TestDeployments } from './redis-deployment.ts'
import { acceptance, hold, operationId, submit } from './samples.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())

const settings = { members: ['m1'], concurrency: 4, workerName: 'w1', onError: () => undefined }

async function openUnder(database: Database = deployments.database()): Promise<QueueUnderTest> {
  const { keys } = database
  const [api, connection] = [deployments.connect('api'), deployments.connect('worker')]
  await Promise.all([api.ready(5_000), connection.ready(5_000)])
  const queue = openJobQueue({ connection: api, keys, onError: () => undefined })
  return {
    queue,
    openSource: (over) => openJobSource({ ...settings, connection, keys, ...over }),
    close: () => queue.close(),
  }
}

describe('the BullMQ queue', () => {
  jobQueueSuite(openUnder)
})

test('a turn whose lock is lost is aborted, and the job given out again', async () => {
  const database = deployments.database()
  const under = await openUnder(database)
  const begun = Promise.withResolvers<void>()
  const again = Promise.withResolvers<number>()
  const reasons: unknown[] = []
  const perform: PerformTurn = async (_, { attempt, signal }) => {
    if (attempt > 1) return again.resolve(attempt)
    begun.resolve()
    await once(signal, 'abort')
    reasons.push(signal.reason)
  }
  const source = await under.openSource({ members: ['m1'], concurrency: 4, perform })
  const one = ticket()
  await under.queue.add('m1', one)
  await begun.promise
  await database.connection.redis.del(`${database.keys.bull}:ops-m1:op-${one.id}:lock`)
  expect(await again.promise).toBe(2)
  expect(reasons).toEqual(['lost'])
  await source.close(0)
  await under.close()
})

test('a drained turn does not count as an attempt', async () => {
  const database = deployments.database()
  const stores = storesOf(database)
  const under = await openUnder(database)
  const id = await submit(stores, acceptance({}, { id: '01940000-0000-7000-8000-0000000000aa' }))
  const begun = Promise.withResolvers<void>()
  const source = await under.openSource({
    members: ['m1'],
    concurrency: 1,
    perform: async (_, { attempt, token, signal }) => {
      await stores.operations.begin(hold(id, { attempt, token }), 'w1', 1)
      begun.resolve()
      await once(signal, 'abort')
    },
  })
  await under.queue.add('m1', ticket({ id }))
  await begun.promise
  expect(await stores.operations.get(id)).toMatchObject({ state: 'running', attempts: 1 })
  await source.close(0)
  expect(await stores.operations.get(id)).toMatchObject({ state: 'running', attempts: 0 })
  const next = await stores.operations.begin(hold(id, { attempt: 2, token: 't2' }), 'w2', 2)
  expect(next).toMatchObject({ outcome: 'begun', operation: { attempts: 1 } })
  await under.close()
})

test('in one question it says which operations may have no job', async () => {
  const database = deployments.database()
  const { redis } = database.connection
  const stores = storesOf(database)
  const { queue, close } = await openUnder(database)
  const added = async (over: Partial<Ticket> = {}, member = 'm1') => {
    const id = await submit(stores, acceptance({}, { member }))
    await queue.add(member, { id, kind: 'instance.create', epoch: 1, ...over })
    return id
  }
  const jobOf = (id: string) => `${database.keys.bull}:ops-m1:op-${id}`
  const there = [await added(), await added({}, 'm-2.x')]
  const again = await added()
  const raised = await stores.operations.raiseEpoch(again, 1)
  expect(await queue.doubtful([again])).toEqual([again])
  await queue.add('m1', { id: again, kind: 'instance.create', epoch: raised?.epoch ?? 0 })

  const never = await submit(stores, acceptance({}, { member: 'm1' }))
  const [dropped, spoilt, ended, unreadable] = [await added(), await added(), await added(), await added()]
  await queue.drop('m1', dropped)
  await redis.hset(jobOf(spoilt), 'data', '{"id":')
  await redis.hset(jobOf(ended), 'finishedOn', '1')
  await redis.hset(database.keys.key('op', unreadable), 'rec', '{')
  const doubtful = [never, dropped, spoilt, ended, unreadable, operationId()]
  expect(await queue.doubtful([...doubtful, ...there, again])).toEqual(doubtful)
  expect(await queue.doubtful([])).toEqual([])
  await close()
})

test('an id that is no operation id never becomes a job', async () => {
  const under = await openUnder()
  await expect(under.queue.add('m1', ticket({ id: 'a:b' }))).rejects.toMatchObject({ code: 'internal' })
  await under.close()
})

test('a closed source leaves nothing of its own behind', async () => {
  const database = deployments.database()
  const under = await openUnder(database)
  const source = await under.openSource({ members: ['m1'], concurrency: 1, perform: () => Promise.resolve() })
  expect(source).toHaveProperty('healthy')
  await source.close(0)
  const left = await database.connection.redis.keys(`${database.keys.prefix.replaceAll(/[[\]]/g, '?')}*`)
  expect(left.filter((key) => key.includes('canary') || key.includes('workers'))).toEqual([])
  await under.close()
})
