import { type Job, Worker } from 'bullmq'
import type { Connection } from './connection.ts'
import { openQueue } from './job-queue.ts'
import type { Keys } from './keys.ts'

export interface TicksSettings {
  /** Of role `scheduler`; BullMQ opens one more to block on. */
  connection: Connection
  keys: Keys
  /** When ticks come, a cron expression with or without seconds; UTC. */
  pattern: string
  /** May run twice for one tick; a tick whose work throws comes again after 5 s, for ten minutes. */
  onTick(at: number): Promise<void>
  onError(error: unknown): void
}

export interface Ticks {
  /** Sees to it that Redis knows of the next tick: it may have lost everything since. */
  ensure(): Promise<void>
  close(): Promise<void>
}

const QUEUE = 'ticks'
const SCHEDULER = 'minute'
/** A process that dies over a tick leaves it to another one after so long, milliseconds. */
const LOCK = 10_000
const MOST_STALLED = 100
const AGAIN = { attempts: 120, backoff: { type: 'fixed', delay: 5_000 } }

/** A job scheduler of BullMQ: one tick for all processes that have opened these, whichever takes it. */
export function openTicks(settings: TicksSettings): Ticks {
  const { connection, keys, pattern, onTick, onError } = settings
  const queue = openQueue(settings, QUEUE)
  const worker = new Worker(QUEUE, (job: Job) => onTick(plannedFor(job)), {
    connection: connection.redis,
    prefix: keys.bull,
    lockDuration: LOCK,
    stalledInterval: LOCK / 2,
    maxStalledCount: MOST_STALLED,
    drainDelay: 2,
    runRetryDelay: 500,
    skipVersionCheck: true,
  })
  worker.on('error', onError)

  async function ensure(): Promise<void> {
    const known = await queue.getJobScheduler(SCHEDULER)
    const isAhead = known?.pattern === pattern && (known.next ?? 0) > Date.now() - LOCK
    if (!isAhead) await queue.upsertJobScheduler(SCHEDULER, { pattern, tz: 'UTC' }, { name: 'tick', opts: AGAIN })
  }

  return {
    ensure,
    close: async () => {
      await worker.close(true)
      await queue.close()
    },
  }
}

/** Of a job of a scheduler BullMQ keeps the time it was planned for. */
function plannedFor({ opts, timestamp }: Job): number {
  return opts.prevMillis ?? timestamp
}
