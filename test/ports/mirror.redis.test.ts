import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Observed } from '../../src/core/ports.ts'
import { openRedis } from '../../src/redis/connection.ts'
import { openEventBus } from '../../src/redis/event-bus.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { openMirror } from '../../src/redis/mirror.ts'
import { createRedisRecordStore } from '../../src/redis/record-store.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { storesOf } from './redis-deployment.ts'
import { alias, ending, instance, lease, putAlias, putInstance, running } from './samples.ts'

let shared: TestRedis
let count = 0
beforeAll(async () => {
  shared = await startRedis({ appendfsync: 'everysec' })
})
afterAll(() => shared[Symbol.asyncDispose]())

const ignore = () => undefined
const at = 1_763_731_200_000

/** An API process's mirror, and a writer in another process. */
async function openWorld(redis: TestRedis = shared, onObserved: (observed: Observed[]) => void = ignore) {
  const keys = makeKeys(`d${(count += 1)}`)
  const connect = (role: 'api' | 'worker' | 'subscriber') => openRedis({ path: redis.socket, role, onError: ignore })
  const writer: Database = { connection: connect('worker'), keys }
  const database: Database = { connection: connect('api'), keys }
  await database.connection.ready(5_000)
  const bus = openEventBus({ database, subscriber: connect('subscriber'), onGap: ignore, onError: ignore })
  await bus.ready
  const store = createRedisRecordStore(database)
  const open = () => openMirror({ database, store, bus, onObserved, onError: ignore })
  return {
    writer,
    stores: storesOf(writer),
    store,
    bus,
    mirror: open(),
    open,
    [Symbol.asyncDispose]: async () => {
      await bus.close()
      database.connection.close()
      writer.connection.close()
    },
  }
}

test('what was there and what comes is read from memory, by uuid, name and scope', async () => {
  await using world = await openWorld()
  const { stores } = world
  const [a, b] = [alias({ name: 'b' }), alias({ name: 'a', project: 'other' })]
  await stores.records.write({ changes: [putAlias(a), putAlias(b)], at })
  const mirror = world.open()
  await mirror.ready
  expect(await mirror.list('alias')).toEqual([
    { ...b, rev: 1 },
    { ...a, rev: 1 },
  ])
  expect(await mirror.list('alias', 'default')).toEqual([{ ...a, rev: 1 }])
  await stores.records.write({ changes: [putAlias({ ...a, rev: 1, name: 'c' })], at })
  expect(await mirror.find('alias', 'default', 'b')).toBeUndefined()
  expect(await mirror.find('alias', 'default', 'c')).toEqual({ ...a, rev: 2, name: 'c' })
  await stores.records.write({ changes: [{ change: 'remove', noun: 'alias', uuid: a.uuid, rev: 2 }], at })
  expect(await mirror.get('alias', a.uuid)).toBeUndefined()
  expect(await mirror.list('alias', 'default')).toEqual([])
  expect(mirror.staleSince()).toBeUndefined()
  mirror.close()
})

test('every read sees the writes that were answered before it', async () => {
  await using world = await openWorld()
  const { mirror, stores } = world
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  for (let rev = 1; rev < 300; rev += 1) {
    await stores.records.write({ changes: [putAlias({ ...record, rev, description: `${rev}` })], at })
    const reads = await Promise.all([mirror.get('alias', record.uuid), mirror.find('alias', 'default', 'a1')])
    for (const read of reads) expect(read?.rev).toBe(rev + 1)
  }
  mirror.close()
})

test('reads of one scope see what was written before it, and after a renewal what was written until then', async () => {
  await using world = await openWorld()
  const { mirror, stores, writer } = world
  await mirror.ready
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  const gets = async () =>
    Number(/cmdstat_get:calls=(\d+)/.exec(await writer.connection.redis.info('commandstats'))?.[1])
  for (let rev = 1; rev < 50; rev += 1) {
    await stores.records.write({ changes: [putAlias({ ...record, rev, description: `${rev}` })], at })
    const before = await gets()
    await mirror.scope()(async () => {
      for (let read = 0; read < 5; read += 1) expect((await mirror.get('alias', record.uuid))?.rev).toBe(rev + 1)
      expect(await gets()).toBe(before + 1)
      await stores.records.write({ changes: [putAlias(alias({ name: `b${rev}` }))], at })
      mirror.renew()
      expect(await mirror.find('alias', 'default', `b${rev}`)).toBeDefined()
    })
  }
  mirror.close()
})

test('names swapped in one write are found', async () => {
  await using world = await openWorld()
  const { mirror, stores } = world
  const [a, b] = [alias({ name: 'a' }), alias({ name: 'b' })]
  await stores.records.write({ changes: [putAlias(a), putAlias(b)], at })
  await stores.records.write({
    changes: [putAlias({ ...a, rev: 1, name: 'b' }), putAlias({ ...b, rev: 1, name: 'a' })],
    at,
  })
  expect((await mirror.find('alias', 'default', 'a'))?.uuid).toBe(b.uuid)
  expect((await mirror.find('alias', 'default', 'b'))?.uuid).toBe(a.uuid)
  mirror.close()
})

test('what belongs to an instance is read from memory', async () => {
  await using world = await openWorld()
  const { mirror, stores } = world
  await mirror.ready
  const [a, b] = [lease({ name: '10.0.0.2' }), lease({ name: '10.0.0.1' })]
  const others = lease({ name: '10.0.0.3', instance: 'i2' })
  const changes = [a, b, others].map((record) => ({ change: 'put', noun: 'lease', record }) as const)
  await stores.records.write({ changes, at })
  expect(await mirror.owned('lease', a.instance)).toEqual(await stores.records.owned('lease', a.instance))
  expect((await mirror.owned('lease', a.instance)).map(({ name }) => name)).toEqual(['10.0.0.1', '10.0.0.2'])
  mirror.close()
})

test('what a worker observed is told before a reader sees the change', async () => {
  const seen: Observed[][] = []
  await using world = await openWorld(shared, (observed) => seen.push(observed))
  const { mirror, stores } = world
  await mirror.ready
  const own = await running(stores)
  const record = instance()
  const observed = [{ member: 'local', container: 'abc', summary: undefined }]
  await stores.operations.end(own, ending({ changes: [putInstance(record)], observed }))
  expect(await mirror.get('instance', record.uuid)).toEqual({ ...record, rev: 1 })
  expect(seen).toMatchObject([[{ member: 'local', container: 'abc' }]])
  mirror.close()
})

test('lost events make it load again, and reads stay right meanwhile', async () => {
  await using world = await openWorld()
  const { mirror, stores, writer } = world
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  await mirror.ready
  // A write whose event nobody will hear.
  const { keys, connection } = writer
  await connection.redis
    .multi()
    .hset(
      keys.key('rec', 'alias', record.uuid),
      'rev',
      '2',
      'body',
      JSON.stringify({ ...record, description: 'silent' }),
    )
    .incr(keys.key('inv'))
    .exec()
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ description: 'silent' })
  await stores.records.write({ changes: [putAlias(alias({ name: 'next' }))], at })
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ description: 'silent', rev: 2 })
  mirror.close()
})

test('while Redis is away it answers from memory at once and says since when; then it catches up', async () => {
  await using redis = await startRedis({ appendfsync: 'always' })
  await using world = await openWorld(redis)
  const { mirror, stores, store } = world
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  await mirror.ready
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ rev: 1 })
  await redis.kill()
  const before = Date.now()
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ rev: 1 })
  expect(mirror.staleSince()).toBeGreaterThanOrEqual(before)
  for (let read = 0; read < 100; read += 1) await mirror.list('alias')
  expect(Date.now() - before).toBeLessThan(1_000)
  await expect(store.get('alias', record.uuid)).rejects.toMatchObject({ code: 'unavailable', retryAfter: 1 })
  await redis.restart()
  await stores.records.write({ changes: [putAlias({ ...record, rev: 1 })], at })
  await expect.poll(() => mirror.get('alias', record.uuid), { timeout: 10_000 }).toMatchObject({ rev: 2 })
  await expect.poll(() => mirror.list('alias').then(() => mirror.staleSince())).toBeUndefined()
  mirror.close()
})

test('a Redis that hangs costs one read its deadline, not every one', async () => {
  await using redis = await startRedis()
  await using world = await openWorld(redis)
  const { mirror, stores } = world
  await mirror.ready
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ rev: 1 })
  redis.freeze()
  const before = Date.now()
  for (let read = 0; read < 100; read += 1) expect(await mirror.list('alias')).toHaveLength(1)
  expect(Date.now() - before).toBeLessThan(1_700)
  redis.thaw()
  await stores.records.write({ changes: [putAlias({ ...record, rev: 1 })], at })
  await expect.poll(() => mirror.get('alias', record.uuid), { timeout: 10_000 }).toMatchObject({ rev: 2 })
  await expect.poll(() => mirror.list('alias').then(() => mirror.staleSince())).toBeUndefined()
  mirror.close()
})

test('a Redis that went back makes it load again', async () => {
  await using redis = await startRedis()
  await using world = await openWorld(redis)
  const { mirror, stores } = world
  const record = alias()
  await stores.records.write({ changes: [putAlias(record)], at })
  expect(await mirror.get('alias', record.uuid)).toMatchObject({ rev: 1 })
  await redis.command('FLUSHALL')
  expect(await mirror.get('alias', record.uuid)).toBeUndefined()
  await stores.records.write({ changes: [putAlias(alias({ name: 'new' }))], at })
  expect(await mirror.list('alias')).toMatchObject([{ name: 'new' }])
  mirror.close()
})
