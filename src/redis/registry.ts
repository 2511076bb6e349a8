/** Which processes of the deployment live. Redis' own clock counts: the machines' clocks may differ. */
import type { Connection } from './connection.ts'
import type { Keys } from './keys.ts'

/** A process that was silent for so long is dead; milliseconds. It says that it lives every 2 s. */
export const LIFE = 6_000
export const BEAT = 2_000

async function redisNow(connection: Connection): Promise<number> {
  const [seconds, micros] = await connection.run((redis) => redis.time())
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** A worker process says that it lives and which members it serves. */
export async function beatWorker(connection: Connection, keys: Keys, worker: string, members: string[]): Promise<void> {
  const now = await redisNow(connection)
  await connection.run(async (redis) => {
    const lists = ['', ...members].map((member) => workersKey(keys, member))
    await Promise.all(lists.map((list) => redis.zadd(list, now, worker)))
    await Promise.all(lists.map((list) => redis.zremrangebyscore(list, '-inf', now - 10 * LIFE)))
  })
}

/** A worker that ends in order is gone at once. */
export async function forgetWorker(
  connection: Connection,
  keys: Keys,
  worker: string,
  members: string[],
): Promise<void> {
  await connection.run((redis) =>
    Promise.all(['', ...members].map((member) => redis.zrem(workersKey(keys, member), worker))),
  )
}

/** How many workers live, of all or of those that serve a member. */
export async function countWorkers(connection: Connection, keys: Keys, member = ''): Promise<number> {
  const now = await redisNow(connection)
  return connection.run((redis) => redis.zcount(workersKey(keys, member), now - LIFE, '+inf'))
}

/** An API process says that it lives, operations placed in it depend on it, and what others are to know of it. */
export async function beatApi(connection: Connection, keys: Keys, api: string, about: string): Promise<void> {
  await connection.run((redis) => redis.set(keys.key('api', api), about, 'PX', LIFE))
}

/** An API process that ends in order is gone at once. */
export async function forgetApi(connection: Connection, keys: Keys, api: string): Promise<void> {
  await connection.run((redis) => redis.del(keys.key('api', api)))
}

/** What it said last; undefined when it does not live. */
export async function findApi(connection: Connection, keys: Keys, api: string): Promise<string | undefined> {
  return (await connection.run((redis) => redis.get(keys.key('api', api)))) ?? undefined
}

function workersKey(keys: Keys, member: string): string {
  return member === '' ? keys.key('workers') : keys.key('workers', member)
}
