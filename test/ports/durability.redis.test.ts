import { afterEach, beforeEach, expect, test } from 'vitest'
import { openRedis } from '../../src/redis/connection.ts'
import { checkRedis, deploymentId } from '../../src/redis/deployment.ts'
import { openJobQueue } from '../../src/redis/job-queue.ts'
import { openJobSource } from '../../src/redis/job-source.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { beatApi, beatWorker, countWorkers, findApi, forgetApi, forgetWorker } from '../../src/redis/registry.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { storesOf } from './redis-deployment.ts'
import { acceptance, alias, ending, hold, putAlias, running, submit } from './samples.ts'
import { ticket } from './job-queue.suite.ts'

let redis: TestRedis
let opened: Database[]
beforeEach(async () => {
  // With everysec a Redis whose disk is slow answers before it has written.
  redis = await startRedis({ appendfsync: 'always' })
  opened = []
})
afterEach(async () => {
  for (const { connection } of opened) connection.close()
  await redis[Symbol.asyncDispose]()
})

function open(role: 'api' | 'worker', deployment = 'd'): Database {
  const database = {
    connection: openRedis({ path: redis.socket, role, onError: () => undefined }),
    keys: makeKeys(deployment),
  }
  opened.push(database)
  return database
}

test('nothing that was acknowledged is lost when Redis is killed under writers, and no name is taken twice', async () => {
  const database = open('api')
  await database.connection.ready(5_000)
  const stores = storesOf(database)
  const acknowledged: string[] = []
  const writing = new AbortController()
  let count = 0
  async function write(): Promise<void> {
    while (!writing.signal.aborted) {
      const name = { noun: 'instance', scope: 'default', name: `c${(count += 1)}` } as const
      const asked = acceptance({
        names: [name],
        busy: [{ key: `instance:${name.name}`, mode: 'own', action: 'create' }],
      })
      const answer = await stores.operations.accept(asked).catch(() => undefined)
      if (answer?.outcome === 'accepted') acknowledged.push(answer.operation.id)
      else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const writers = Array.from({ length: 10 }, write)
  for (let kill = 0; kill < 3; kill += 1) {
    const before = acknowledged.length
    await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(before + 200)
    await redis.kill()
    await redis.restart()
  }
  writing.abort()
  await Promise.all(writers)
  const reader = storesOf(open('worker'))
  const found = await reader.operations.getMany(acknowledged)
  expect(found.map(({ id }) => id)).toEqual(acknowledged)
  expect((await reader.operations.figures()).pending).toBeGreaterThanOrEqual(acknowledged.length)
})

test("a worker's commands wait for Redis, go out again and count once", async () => {
  const database = open('worker')
  const stores = storesOf(database)
  const own = await running(stores)
  await redis.kill()
  const note = { name: 'pull', at: 5, attempt: 1 }
  const record = alias()
  const noted = stores.operations.note(own, { notes: [note], at: 5 })
  const written = stores.records.write({ changes: [putAlias(record)], at: 5 })
  const ended = noted.then(() => stores.operations.end(own, ending()))
  await redis.restart()
  expect(await Promise.all([noted, written, ended])).toEqual(['written', { outcome: 'written' }, 'ended'])
  expect(await stores.operations.get(own.id)).toMatchObject({ state: 'success', notes: [note] })
  expect(await stores.records.get('alias', record.uuid)).toMatchObject({ rev: 1 })
})

test.each(['dead', 'hanging'] as const)(
  'with a %s Redis every call of an API process is refused within 800 ms',
  async (how) => {
    const database = open('api')
    await database.connection.ready(5_000)
    const { operations, records } = storesOf(database)
    const queue = openJobQueue({ ...database, onError: () => undefined })
    await queue.add('m1', ticket())
    const id = await submit({ operations, records, log: { since: () => Promise.reject(new Error('unused')) } })
    if (how === 'dead') await redis.kill()
    else redis.freeze()
    const history = { project: undefined, since: 0, until: 1, limit: 1, cursor: undefined, matches: () => true }
    const calls = [
      () => operations.accept(acceptance()),
      () => operations.get(id),
      () => operations.recent(undefined, 0),
      () => operations.history(history),
      () => operations.begin(hold(id), 'w', 1),
      () => operations.cancel(id, { by: acceptance().operation.requestor, at: 1 }),
      () => operations.figures(),
      () => records.get('alias', 'x'),
      () => records.list('alias'),
      () => records.write({ changes: [], at: 1 }),
      () => queue.add('m1', ticket()),
      () => queue.counts('m1'),
    ]
    for (const call of calls) {
      const before = performance.now()
      await expect(call()).rejects.toMatchObject({ code: 'unavailable', retryAfter: 1 })
      expect(performance.now() - before).toBeLessThan(850)
    }
    if (how === 'hanging') redis.thaw()
    else await redis.restart()
    await expect.poll(() => operations.get(id).catch(() => undefined), { timeout: 10_000 }).toMatchObject({ id })
    await queue.close()
  },
)

test('a source is closed also while Redis is away', async () => {
  const { connection, keys } = open('worker')
  await connection.ready(5_000)
  const settings = { members: ['m1'], concurrency: 1, workerName: 'w1', onError: () => undefined }
  const source = await openJobSource({ connection, keys, ...settings, perform: () => Promise.resolve() })
  await redis.kill()
  const before = performance.now()
  await source.close(0)
  expect(performance.now() - before).toBeLessThan(11_000)
})

test('a deployment has one id, made once; another data directory is told apart', async () => {
  const { connection } = open('worker')
  const made = await deploymentId(connection, { expected: undefined, now: 7 })
  expect(made).toMatchObject({ outcome: 'made', birth: 7 })
  const same = { outcome: 'same', id: made.id, birth: 7 }
  expect(await deploymentId(connection, { expected: undefined, now: 8 })).toEqual(same)
  expect(await deploymentId(connection, { expected: made.id, now: 8 })).toEqual(same)
  expect(await deploymentId(connection, { expected: 'other', now: 8 })).toEqual({ ...same, outcome: 'mismatch' })
  await redis.command('FLUSHALL')
  const restored = { outcome: 'restored', id: made.id, birth: 9 }
  expect(await deploymentId(connection, { expected: made.id, now: 9 })).toEqual(restored)
})

test('a Redis that would lose operations is refused, naming why', async () => {
  const { connection } = open('worker')
  await checkRedis(connection, { allowUnsafe: false })
  await redis.command('CONFIG', 'SET', 'appendonly', 'no')
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  const refused = checkRedis(connection, { allowUnsafe: false })
  await expect(refused).rejects.toMatchObject({ code: 'unavailable' })
  await expect(refused).rejects.toThrow(/append-only.*allkeys-lru/)
  await checkRedis(connection, { allowUnsafe: true })
})

test('workers and API processes live as long as they say so', async () => {
  const { connection, keys } = open('worker')
  await beatWorker(connection, keys, 'w1', ['m1', 'm2'])
  await beatWorker(connection, keys, 'w2', ['m1'])
  expect([await countWorkers(connection, keys), await countWorkers(connection, keys, 'm2')]).toEqual([2, 1])
  await connection.redis.zadd(keys.key('workers'), 1, 'w2')
  expect(await countWorkers(connection, keys)).toBe(1)
  await forgetWorker(connection, keys, 'w1', ['m1', 'm2'])
  expect(await countWorkers(connection, keys, 'm1')).toBe(1)
  await beatApi(connection, keys, 'a1', 'here')
  expect([await findApi(connection, keys, 'a1'), await findApi(connection, keys, 'a2')]).toEqual(['here', undefined])
  expect(await connection.redis.pttl(keys.key('api', 'a1'))).toBeLessThanOrEqual(6_000)
  await forgetApi(connection, keys, 'a1')
  expect(await findApi(connection, keys, 'a1')).toBeUndefined()
})

test('a full Redis is unavailable, not broken', async () => {
  const database = open('api')
  await database.connection.ready(5_000)
  await redis.command('CONFIG', 'SET', 'maxmemory', '1')
  await expect(storesOf(database).operations.accept(acceptance())).rejects.toMatchObject({ code: 'unavailable' })
})
