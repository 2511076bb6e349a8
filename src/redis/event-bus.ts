import { badRequest } from '../core/failure.ts'
import type { EventBus, LogEvent } from '../core/ports.ts'
import type { Connection } from './connection.ts'
import { compareIds, type LogEntry, toLogEntry, toLogEvent } from './log-events.ts'
import { followLog, newestOf, START } from './log-follower.ts'
import { type Database, runScript } from './scripts.ts'

export interface EventBusDeps {
  database: Database
  /** Of role `subscriber`, for this bus alone; the bus closes it. */
  subscriber: Connection
  /** What is followed: the log of everything if not said, or that of cancels alone. */
  log?: 'log' | 'cancels'
  /** Some events were lost to the listeners: what they derive from events has to be read again. */
  onGap(): void
  onError(error: unknown): void
}

export interface RedisEventBus extends EventBus {
  /** Resolves once it reads: listeners miss nothing that is written from then on. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

/** Follows the deployment's log over one connection and hands every entry to the listeners of this process. */
export function openEventBus(deps: EventBusDeps): RedisEventBus {
  const { database, subscriber } = deps
  const log = database.keys.key(deps.log ?? 'log')
  const listeners = new Set<(event: LogEvent) => void>()
  const ready = Promise.withResolvers<void>()
  const closing = new AbortController()

  function dispatch(event: LogEvent): void {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        deps.onError(error)
      }
    }
  }

  const following = followLog(
    {
      subscriber,
      log,
      onEvent: dispatch,
      onGap: () => deps.onGap(),
      onError: (error) => deps.onError(error),
      onReady: () => ready.resolve(),
    },
    closing.signal,
  )

  return {
    subscribe: (listener) => {
      // A wrapper of its own: the same function may be subscribed twice.
      const own = (event: LogEvent) => listener(event)
      listeners.add(own)
      return () => listeners.delete(own)
    },
    since: (id, limit) => readSince(database, id, limit),
    cursor: async () => (await newestOf(database.connection, log)).id,
    log: async (line, project, at) => {
      await runScript(database, 'log', [String(at), project, JSON.stringify(line)])
    },
    ready: ready.promise,
    close: async () => {
      closing.abort()
      listeners.clear()
      subscriber.close()
      await following
    },
  }
}

/** The events after an id. Bounded by `limit`: the last one's id is the place to go on from. */
export async function readSince({ connection, keys }: Database, id: string, limit: number) {
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
  const events = entries.map(toLogEvent).filter((event) => event !== undefined)
  return { events, complete: isComplete(id, entries[0], oldest?.[0], newest?.[0]) }
}

/** Whether nothing after `id` was trimmed. An id that the log has not reached yet is of a log that was lost. */
function isComplete(id: string, next: LogEntry | undefined, oldest: string | undefined, newest: string | undefined) {
  if (id === START) return next === undefined || next.n === 1
  if (oldest === undefined || newest === undefined || compareIds(id, newest) > 0) return false
  return compareIds(oldest, id) <= 0
}
