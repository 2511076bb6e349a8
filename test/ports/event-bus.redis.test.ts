import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LogEvent } from '../../src/core/ports.ts'
import { openRedis } from '../../src/redis/connection.ts'
import { openEventBus } from '../../src/redis/event-bus.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/processes.ts'
import { eventBusSuite, heard } from './event-bus.suite.ts'
import { startDeployments, storesOf, type TestDeployments } from './redis-deployment.ts'
import { running, submit } from './samples.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())

const ignore = () => undefined
const line = { message: 'x', level: 'info', context: {} }

async function openBus(database: Database, onGap: () => void = ignore) {
  const bus = openEventBus({ database, subscriber: deployments.connect('subscriber'), onGap, onError: ignore })
  await bus.ready
  return bus
}

describe('the Redis event bus', () => {
  eventBusSuite(async () => {
    const database = deployments.database()
    const bus = await openBus(database)
    return { bus, stores: storesOf(database), close: () => bus.close() }
  })
})

test('the log of cancels tells of nothing else, and has no gaps for the rest', async () => {
  const database = deployments.database()
  const { operations } = storesOf(database)
  let gaps = 0
  const bus = openEventBus({
    database,
    subscriber: deployments.connect('subscriber'),
    log: 'cancels',
    onGap: () => (gaps += 1),
    onError: ignore,
  })
  await bus.ready
  const events: LogEvent[] = []
  bus.subscribe((event) => events.push(event))
  const { id } = await running(storesOf(database))
  await bus.log(line, '', 1)
  expect(await operations.cancel(id, { by: { username: 'a', protocol: 'unix', address: '@' }, at: 2 })).toBe('asked')
  await heard(events, 1)
  expect(events).toMatchObject([{ type: 'cancel', operation: id }])
  expect(gaps).toBe(0)
  await bus.close()
})

test('entries that were trimmed before they were read are a gap, and since() says so', async () => {
  const database = deployments.database()
  const { redis } = database.connection
  let gaps = 0
  const bus = await openBus(database, () => (gaps += 1))
  const events: LogEvent[] = []
  bus.subscribe((event) => events.push(event))
  await bus.log(line, '', 1)
  await heard(events, 1)
  expect(gaps).toBe(0)
  // One transaction: the reader cannot come between.
  const log = database.keys.key('log')
  const entry = ['type', 'logging', 'at', '2', 'project', '', 'line', JSON.stringify(line)]
  await redis
    .multi()
    .xadd(log, '*', 'n', '2', ...entry)
    .xtrim(log, 'MAXLEN', 0)
    .xadd(log, '*', 'n', '3', ...entry)
    .exec()
  await heard(events, 2)
  expect(gaps).toBe(1)
  expect(await bus.since(events[0]?.id ?? '', 10)).toMatchObject({ complete: false, events: [{ at: 2 }] })
  expect(await bus.since('0-0', 10)).toMatchObject({ complete: false })
  await bus.close()
})

test('an entry that cannot be read is a gap and does not stop the others', async () => {
  const database = deployments.database()
  let gaps = 0
  const bus = await openBus(database, () => (gaps += 1))
  const events: LogEvent[] = []
  bus.subscribe((event) => events.push(event))
  await database.connection.redis.incr(database.keys.key('log', 'n'))
  await database.connection.redis.xadd(database.keys.key('log'), '*', 'n', '1', 'type', 'lifecycle', 'lifecycle', '{')
  await bus.log(line, '', 1)
  expect(await heard(events, 1)).toMatchObject([{ type: 'logging' }])
  expect(gaps).toBe(1)
  await bus.close()
})

test('a bus resumes over a kill of Redis without a loss, and notices a Redis that lost the log', async () => {
  await using redis = await startRedis({ appendfsync: 'always' })
  const connect = (role: 'worker' | 'subscriber') => openRedis({ path: redis.socket, role, onError: ignore })
  const database = { connection: connect('worker'), keys: makeKeys('d') }
  let gaps = 0
  const subscriber = connect('subscriber')
  const bus = openEventBus({ database, subscriber, onGap: () => (gaps += 1), onError: ignore })
  await bus.ready
  const events: LogEvent[] = []
  bus.subscribe((event) => events.push(event))
  const ids: string[] = []
  for (let round = 0; round < 2; round += 1) {
    ids.push(await submit(storesOf(database)))
    await redis.kill()
    await redis.restart()
  }
  ids.push(await submit(storesOf(database)))
  await heard(events, 3)
  expect(events.map((event) => event.type === 'operation' && event.operation.id)).toEqual(ids)
  expect(gaps).toBe(0)
  await redis.command('FLUSHALL')
  await redis.kill()
  await redis.restart()
  await until(
    10_000,
    () => Promise.resolve(gaps > 0 || undefined),
    () => new Error('No gap'),
  )
  await bus.close()
  database.connection.close()
})

test('a bus whose Redis hangs goes on when it answers again', async () => {
  await using redis = await startRedis()
  const connect = (role: 'worker' | 'subscriber') => openRedis({ path: redis.socket, role, onError: ignore })
  const database = { connection: connect('worker'), keys: makeKeys('d') }
  const bus = openEventBus({ database, subscriber: connect('subscriber'), onGap: ignore, onError: ignore })
  await bus.ready
  const events: LogEvent[] = []
  bus.subscribe((event) => events.push(event))
  redis.freeze()
  const submitted = submit(storesOf(database))
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  redis.thaw()
  const id = await submitted
  expect(await heard(events, 1)).toMatchObject([{ operation: { id } }])
  await bus.close()
  database.connection.close()
})
