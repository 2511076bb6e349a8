/**
 * When something stood still that a lock's renewal has to pass: the worker that holds it, the relays, which are in the
 * battery's own process, or Redis. A lock that was lost then was lost by the machine, not by the product.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../src/redis/scripts.ts'

export interface Standstill {
  where: 'worker' | 'relays' | 'redis'
  /** Of `performance.now()` in the battery. */
  until: number
  /** Milliseconds without any work of its own. */
  ms: number
}

export interface Standstills extends AsyncDisposable {
  /** Of the relays and of Redis. */
  readonly seen: readonly Standstill[]
}

/** How often each is looked at, and what is told, milliseconds. */
const EVERY = 100
const TOLD = 250
/** Older ones are forgotten. */
const KEPT = 1_000

export function watchStandstills({ connection, keys }: Database): Standstills {
  const seen: Standstill[] = []
  const closing = new AbortController()
  const { signal } = closing

  /** Does it again and again, and tells of the time between two that is more than the pause. */
  async function watch(where: Standstill['where'], pulse: () => Promise<unknown>): Promise<void> {
    let last = performance.now()
    while (!signal.aborted) {
      await delay(EVERY, undefined, { signal }).catch(() => undefined)
      // A pulse that fails is none: the next one that succeeds tells how long it took.
      const isThere = await pulse().then(
        () => true,
        () => false,
      )
      const now = performance.now()
      const ms = now - last - EVERY
      if (isThere && ms > TOLD && seen.push({ where, until: now, ms }) > KEPT) seen.shift()
      if (isThere) last = now
    }
  }

  // A write, as a renewal is one: with appendfsync always it waits for the disk as well.
  const pulse = () => connection.run((redis) => redis.set(`${keys.prefix}battery`, '1'))
  const watching = [watch('relays', async () => undefined), watch('redis', pulse)]
  return {
    seen,
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await Promise.all(watching)
    },
  }
}

/** What a worker has said of itself (see mischief.ts). */
export function standstillsIn(output: string): Standstill[] {
  return [...output.matchAll(/stood still for (\d+) ms until (\d+), at work for (\d+) ms/g)].map(
    ([, ms, until, busy]) => ({
      where: 'worker',
      until: Number(until) - performance.timeOrigin,
      ms: Number(ms) - Number(busy),
    }),
  )
}
