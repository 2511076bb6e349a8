import { Worker } from 'bullmq'
import type { Connection } from './connection.ts'
import { openQueue } from './job-queue.ts'
import type { Keys } from './keys.ts'

export interface CanarySettings {
  connection: Connection
  keys: Keys
  workerName: string
  /** Asked each time; true when real jobs wait that this process should have taken. */
  watched(): Promise<boolean>
  onError(error: unknown): void
}

export interface Canary {
  healthy(): boolean
  close(): Promise<void>
}

const EVERY = 10_000
const MISSED = 3

/**
 * A job of its own every 10 s: BullMQ workers have been seen to stay "running" after a failover of Redis and take
 * nothing. Only jobs that Redis has acknowledged count, so that a Redis that is away restarts no workers.
 */
export async function openCanary(settings: CanarySettings): Promise<Canary> {
  const { connection, keys, workerName } = settings
  const name = `canary-${workerName.replaceAll(':', '-')}`
  const queue = openQueue(settings, name)
  let unanswered = 0
  let stuck = 0
  let asking = false
  const worker = new Worker(
    name,
    () => {
      unanswered = 0
      return Promise.resolve()
    },
    { connection: connection.redis, prefix: keys.bull, drainDelay: 2, runRetryDelay: 500, skipVersionCheck: true },
  )
  worker.on('error', (error) => settings.onError(error))

  async function ask(): Promise<void> {
    if (asking) return
    asking = true
    try {
      unanswered += 1
      await queue.add('canary', {}).catch((error: unknown) => {
        unanswered -= 1
        throw error
      })
      stuck = (await settings.watched()) ? stuck + 1 : 0
    } catch (error) {
      settings.onError(error)
    } finally {
      asking = false
    }
  }

  const timer = setInterval(() => void ask(), EVERY)
  await worker.waitUntilReady()
  return {
    healthy: () => unanswered < MISSED && stuck < MISSED,
    close: async () => {
      clearInterval(timer)
      await worker.close(true)
      await queue.obliterate({ force: true }).catch((error: unknown) => settings.onError(error))
      await queue.close()
    },
  }
}
