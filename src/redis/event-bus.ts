import { setTimeout as delay } from 'node:timers/promises'
import { badRequest } from '../core/failure.ts'
import type { EventBus, LogEvent } from '../core/ports.ts'
import type { Connection } from './connection.ts'
import { compareIds, type LogEntry, toLogEntry } from './log-events.ts'
import { type Database, runScript } from './scripts.ts'

export interface EventBusDeps {
  database: Database
  /** Of role `subscriber`, for this bus alone; the bus closes it. */
  subscriber: Connection
  /** Some events were lost to the listeners: what they derive from events has to be read again. */
  onGap(): void
  onError(error: unknown): void
}

export interface RedisEventBus extends EventBus {
  /** Resolves once it reads: listeners miss nothing that is written from then on. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

/** The id before the first event. */
const START = '0-0'
/** How long one read waits for news, milliseconds; below the connection's socketTimeout, so that silence is noticed. */
const BLOCK = 2_000
const BATCH = 500
const AFTER_ERROR = 200

interface Position {
  id: string
  n: number
}

/** Follows the deployment's log over one connection and hands every entry to the listeners of this process. */
export function openEventBus(deps: EventBusDeps): RedisEventBus {
  const { database, subscriber } = deps
  const log = database.keys.key('log')
  const listeners = new Set<(event: LogEvent) => void>()
  const ready = Promise.withResolvers<void>()
  let position: Position | undefined
  let reconnected = false
  let closed = false
  subscriber.redis.on('ready', () => (reconnected = true))
  const following = follow()

  async function follow(): Promise<void> {
    while (!closed) {
      try {
        position = await settle()
        ready.resolve()
        const news = await subscriber.redis.xread('COUNT', BATCH, 'BLOCK', BLOCK, 'STREAMS', log, position.id)
        for (const entry of news?.[0]?.[1] ?? []) deliver(toLogEntry(entry))
      } catch (error) {
        if (closed) return
        deps.onError(error)
        await delay(AFTER_ERROR)
      }
    }
  }

  /** Where to read on. A log that is now behind us lost its end with a Redis that lost writes. */
  async function settle(): Promise<Position> {
    if (position !== undefined && !reconnected) return position
    reconnected = false
    const newest = await newestOf(subscriber, log)
    if (position === undefined) return newest
    if (compareIds(newest.id, position.id) >= 0) return position
    deps.onGap()
    return newest
  }

  function deliver({ id, n, event }: LogEntry): void {
    if (position !== undefined && n !== position.n + 1) deps.onGap()
    position = { id, n }
    if (event === undefined) return
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        deps.onError(error)
      }
    }
  }

  function subscribe(listener: (event: LogEvent) => void): () => void {
    // A wrapper of its own: the same function may be subscribed twice.
    const own = (event: LogEvent) => listener(event)
    listeners.add(own)
    return () => listeners.delete(own)
  }

  async function close(): Promise<void> {
    closed = true
    listeners.clear()
    subscriber.close()
    await following
  }

  return {
    subscribe,
    since: (id, limit) => readSince(database, id, limit),
    cursor: async () => (await newestOf(database.connection, log)).id,
    log: async (line, project, at) => {
      await runScript(database, 'log', [String(at), project, JSON.stringify(line)])
    },
    ready: ready.promise,
    close,
  }
}

async function newestOf(connection: Connection, log: string): Promise<Position> {
  const [newest] = await connection.run((redis) => redis.xrevrange(log, '+', '-', 'COUNT', 1))
  return newest === undefined ? { id: START, n: 0 } : toLogEntry(newest)
}

async function readSince({ connection, keys }: Database, id: string, limit: number) {
  if (!/^\d{1,15}-\d{1,15}$/.test(id)) throw badRequest(`Invalid event id "${id}"`)
  const log = keys.key('log')
  const [after, [oldest], [newest]] = await connection.run((redis) =>
    Promise.all([
      redis.xrange(log, `(${id}`, '+', 'COUNT', limit),
      redis.xrange(log, '-', '+', 'COUNT', 1),
      redis.xrevrange(log, '+', '-', 'COUNT', 1),
    ]),
  )
  const entries = after.map(toLogEntry)
  const events = entries.flatMap(({ event }) => (event === undefined ? [] : [event]))
  return { events, complete: isComplete(id, entries[0], oldest?.[0], newest?.[0]) }
}

/** Whether nothing after `id` was trimmed. An id that the log has not reached yet is of a log that was lost. */
function isComplete(id: string, next: LogEntry | undefined, oldest: string | undefined, newest: string | undefined) {
  if (id === START) return next === undefined || next.n === 1
  if (oldest === undefined || newest === undefined || compareIds(id, newest) > 0) return false
  return compareIds(oldest, id) <= 0
}
