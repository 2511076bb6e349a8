import type { Clock, Transfer, Transfers } from '../core/ports.ts'
import type { Database } from './scripts.ts'

/** How often a process says that it still moves files, and after how long of silence it is dead; milliseconds. */
const BEAT = 2_000
const LIFE = 60_000
/** One that was left is dead after so long: what was sent before may still arrive, at Redis or at an engine. */
const STILL_COMING = 5_000
/** What was left by a dead process is found within this time, or stays for people to look at; milliseconds. */
const REMEMBERED = 7 * 24 * 3_600_000

/** A sorted set: the id of each transfer with the time, by Redis' clock, at which its process was last heard of. */
export function createRedisTransfers({ connection, keys }: Database, clock: Pick<Clock, 'operationId'>): Transfers {
  const key = keys.key('transfers')
  const mine = new Set<string>()
  /** Those that were left, until Redis has heard of it: often they were left because it does not answer. */
  const left = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  async function now(): Promise<number> {
    const [seconds, micros] = await connection.run((redis) => redis.time())
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }

  async function say(ids: string[], ago = 0): Promise<void> {
    const at = (await now()) - ago
    await connection.run((redis) => redis.zadd(key, ...ids.flatMap((id) => [at, id])))
  }

  async function begin(): Promise<Transfer> {
    const id = clock.operationId()
    await say([id])
    mine.add(id)
    // While Redis is away nobody sweeps either.
    timer ??= setInterval(() => void beat().catch(() => undefined), BEAT)
    return { id, end: () => end(id), leave: () => leave(id) }
  }

  async function beat(): Promise<void> {
    if (mine.size > 0) await say([...mine])
    await tellLeft()
  }

  async function tellLeft(): Promise<void> {
    const told = [...left]
    if (told.length > 0) await say(told, LIFE - STILL_COMING)
    for (const id of told) left.delete(id)
    restIfDone()
  }

  function restIfDone(): void {
    if (mine.size + left.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  function leave(id: string): void {
    mine.delete(id)
    left.add(id)
    void tellLeft().catch(() => undefined)
  }

  async function end(id: string): Promise<void> {
    mine.delete(id)
    restIfDone()
    // One that is not forgotten here is dead in a minute.
    await connection.run((redis) => redis.zrem(key, id)).catch(() => undefined)
  }

  async function look(ids: string[]): Promise<Map<string, 'alive' | 'dead'>> {
    const at = await now()
    return connection.run(async (redis) => {
      await redis.zremrangebyscore(key, '-inf', at - REMEMBERED)
      const heard = ids.length === 0 ? [] : await redis.zmscore(key, ...ids)
      return new Map(
        ids.flatMap((id, index) => {
          const last = heard[index]
          return last == null ? [] : [[id, Number(last) > at - LIFE ? 'alive' : 'dead'] as const]
        }),
      )
    })
  }

  return { begin, look }
}
