import { setTimeout as delay } from 'node:timers/promises'
import type { LogEvent } from '../core/ports.ts'
import type { Connection } from './connection.ts'
import { compareIds, type LogEntry, toLogEntry, toLogEvent } from './log-events.ts'

export interface FollowerSettings {
  /** Of role `subscriber`, for this follower alone. */
  subscriber: Connection
  /** The stream's key. */
  log: string
  onEvent(event: LogEvent): void
  /** Entries were lost: they were trimmed before they could be read, or Redis came back without them. */
  onGap(): void
  onError(error: unknown): void
  /** Called once, when nothing written from then on can be missed. */
  onReady(): void
}

/** Where one stands in the log. */
export interface Position {
  id: string
  n: number
}

/** The id before the first entry. */
export const START = '0-0'
/** How long one read waits for news, milliseconds; below the connection's socketTimeout, so that silence is noticed. */
const BLOCK = 2_000
const BATCH = 500
const AFTER_ERROR = 200

/** Reads the log from its present end until the signal aborts; resumes where it was after any loss of connection. */
export async function followLog(settings: FollowerSettings, signal: AbortSignal): Promise<void> {
  const { subscriber, log } = settings
  let position: Position | undefined
  let reconnected = false
  subscriber.redis.on('ready', () => (reconnected = true))
  while (!signal.aborted) {
    try {
      if (position === undefined || reconnected) {
        reconnected = false
        position = await settle(settings, position)
        settings.onReady()
      }
      const news = await subscriber.redis.xread('COUNT', BATCH, 'BLOCK', BLOCK, 'STREAMS', log, position.id)
      for (const raw of news?.[0]?.[1] ?? []) position = deliver(settings, position, toLogEntry(raw))
    } catch (error) {
      if (signal.aborted) return
      settings.onError(error)
      await delay(AFTER_ERROR)
    }
  }
}

/** The newest entry's position. */
export async function newestOf(connection: Connection, log: string): Promise<Position> {
  const [newest] = await connection.run((redis) => redis.xrevrange(log, '+', '-', 'COUNT', 1))
  return newest === undefined ? { id: START, n: 0 } : toLogEntry(newest)
}

/** Where to read on after a connection. A log that ends before our position was lost by its Redis. */
async function settle(settings: FollowerSettings, position: Position | undefined): Promise<Position> {
  const { id, n } = await newestOf(settings.subscriber, settings.log)
  if (position === undefined) return { id, n }
  if (compareIds(id, position.id) >= 0) return position
  settings.onGap()
  return { id, n }
}

function deliver(settings: FollowerSettings, position: Position, entry: LogEntry): Position {
  const { id, n } = entry
  if (n !== position.n + 1) settings.onGap()
  try {
    const event = toLogEvent(entry)
    if (event !== undefined) settings.onEvent(event)
  } catch (error) {
    // Stopping at an entry that cannot be read would stop all that come after it.
    settings.onError(error)
    settings.onGap()
  }
  return { id, n }
}
