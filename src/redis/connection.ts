import { setTimeout as delay } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { Failure, internal, unavailable } from '../core/failure.ts'

/**
 * `api`: refuses within 800 ms while Redis is away. `worker`: waits until Redis is back and sends again what was not
 * answered. `subscriber`: as `worker`, for a connection that blocks; `scheduler`: for one that BullMQ blocks for 10 s where
 * it knows when the next job is due.
 */
export type RedisRole = 'api' | 'worker' | 'subscriber' | 'scheduler'

export interface RedisAddress {
  /** `redis://` or `rediss://`. */
  url?: string | undefined
  /** A unix socket. */
  path?: string | undefined
}

export interface RedisSettings extends RedisAddress {
  role: RedisRole
  /** Told of connection errors; the connection is tried again by itself. */
  onError(error: Error): void
}

export interface Connection {
  readonly redis: Redis
  readonly role: RedisRole
  /** Runs commands. Throws only Failures: `unavailable` when Redis is away, full or loading; `internal` otherwise. */
  run<T>(commands: (redis: Redis) => Promise<T>): Promise<T>
  /** Resolves once Redis has answered, `unavailable` after `ms`. */
  ready(ms: number): Promise<void>
  close(): void
}

/** Our own bound over everything ioredis may do to an API process's command; milliseconds. */
const API_DEADLINE = 800
/** Milliseconds between two questions to a Redis that hangs. */
const PROBE = 100

const OPTIONS: Record<RedisRole, RedisOptions> = {
  api: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 700,
    connectTimeout: 1_000,
  },
  worker: { maxRetriesPerRequest: null, connectTimeout: 2_000, socketTimeout: 4_000, maxLoadingRetryTime: 500 },
  subscriber: { maxRetriesPerRequest: null, connectTimeout: 2_000, socketTimeout: 4_000, maxLoadingRetryTime: 500 },
  scheduler: { maxRetriesPerRequest: null, connectTimeout: 2_000, socketTimeout: 13_000, maxLoadingRetryTime: 500 },
}

/** Opens one connection; it connects, and connects again, in the background. */
export function openRedis(settings: RedisSettings): Connection {
  const { role } = settings
  const redis = connect(settings, {
    ...OPTIONS[role],
    retryStrategy: backoff,
    connectionName: `windlass-${role}`,
    replyMapping: 'legacy',
  })
  redis.on('error', (error: Error) => settings.onError(error))
  // Shared by many queues and workers, each of which listens.
  redis.setMaxListeners(0)

  const breaker = createBreaker(redis)

  async function run<T>(commands: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      if (role !== 'api') return await commands(redis)
      breaker.check()
      return await within(API_DEADLINE, commands(redis))
    } catch (error) {
      if (isTimeout(error)) breaker.open()
      throw toRedisFailure(error)
    }
  }

  function close(): void {
    breaker.close()
    redis.disconnect()
  }

  return { redis, role, run, ready: (ms) => becomeReady(redis, ms), close }
}

/**
 * A command that cost its whole deadline is enough: until Redis answers again further ones are refused at once, so that
 * a request which needs several of them does not wait for each.
 */
function createBreaker(redis: Redis): { check(): void; open(): void; close(): void } {
  let isOpen = false
  const closing = new AbortController()

  async function waitForAnswer(): Promise<void> {
    while (isOpen && !closing.signal.aborted) {
      try {
        await redis.ping()
        isOpen = false
      } catch {
        await delay(PROBE)
      }
    }
  }

  return {
    check: () => {
      if (isOpen) throw new Error('Redis has stopped answering')
    },
    open: () => {
      if (isOpen) return
      isOpen = true
      void waitForAnswer()
    },
    close: () => closing.abort(),
  }
}

function connect({ url, path }: RedisAddress, options: RedisOptions & { replyMapping: 'legacy' }): Redis {
  const address = url ?? path
  return address === undefined ? new Redis(options) : new Redis(address, options)
}

/** Doubles from 50 to 500 ms, with jitter so that a hundred processes do not return in the same moment. */
function backoff(times: number): number {
  return Math.min(50 * 2 ** Math.min(times - 1, 4), 500) * (0.75 + Math.random() / 4)
}

class Timeout extends Error {}

/** Ours, or that of ioredis for one command. */
function isTimeout(error: unknown): boolean {
  return error instanceof Timeout || (error instanceof Error && error.message === 'Command timed out')
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Timeout(`No answer from Redis within ${ms} ms`)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

async function becomeReady(redis: Redis, ms: number): Promise<void> {
  if (redis.status === 'ready') return
  const { promise, resolve } = Promise.withResolvers<void>()
  redis.once('ready', resolve)
  try {
    await within(ms, promise)
  } catch (error) {
    throw toRedisFailure(error)
  } finally {
    redis.off('ready', resolve)
  }
}

/** Errors that Redis answers and that pass: loading, full, no longer the primary, persisting fails, busy. */
const PASSING = /^(LOADING|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|BUSY|NOREPLICAS)\b/

/** Anything ioredis throws → a Failure. What Redis itself refuses is our fault; all else means that it is away. */
export function toRedisFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const answered = error instanceof Error && error.name === 'ReplyError'
  if (answered && !PASSING.test(error.message)) return internal('Internal error', { cause: error })
  return unavailable('The database does not answer', { retryAfter: 1, cause: error })
}
