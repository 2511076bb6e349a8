import { type Job, WaitingError } from 'bullmq'
import type { Turn } from '../core/ports.ts'
import type { Connection } from './connection.ts'
import type { Keys } from './keys.ts'
import { fenceOf } from './operation-course.ts'
import { runScript } from './scripts.ts'
import { createSlots, type Slots } from './slots.ts'

/** Why a turn was aborted: the `reason` of its signal. After anything but `cancelled` the turn writes nothing more. */
export type AbortReason = 'cancelled' | 'lost' | 'draining'

export interface TurnsDeps {
  connection: Connection
  keys: Keys
  /** Turns at a time in this process. */
  concurrency: number
  perform(ticket: unknown, turn: Turn): Promise<void>
}

/** The turns of this process. */
export interface Turns {
  /** What a BullMQ worker does with a job; all three parameters are declared, else BullMQ gives no signal. */
  process(job: Job, token: string | undefined, signal: AbortSignal | undefined): Promise<void>
  abort(operation: string, reason: AbortReason): void
  /** Those that still wait for a slot go back into the queue, and no new one starts. */
  stopWaiting(): void
  abortAll(reason: AbortReason): void
  readonly slots: Slots
  /** Turns begun since the process started. */
  begun(): number
}

export function createTurns(deps: TurnsDeps): Turns {
  const slots = createSlots(deps.concurrency)
  const controllers = new Map<string, AbortController>()
  const waiting = new Set<AbortController>()
  let stopped = false
  let begun = 0

  async function process(job: Job, token: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const operation = (job.id ?? '').replace(/^op-/, '')
    const controller = new AbortController()
    // BullMQ gave the job out again while an earlier turn of this very process still hangs.
    controllers.get(operation)?.abort('lost')
    controllers.set(operation, controller)
    signal?.addEventListener('abort', () => controller.abort('lost'))
    if (signal?.aborted) controller.abort('lost')
    if (stopped) controller.abort('draining')
    try {
      await takeTurn(job, token ?? '', controller)
    } finally {
      if (controllers.get(operation) === controller) controllers.delete(operation)
    }
    if (controller.signal.reason === 'draining') await handBack(deps, job, token ?? '')
  }

  async function takeTurn(job: Job, token: string, controller: AbortController): Promise<void> {
    const { signal } = controller
    waiting.add(controller)
    const got = await slots.acquire(signal)
    waiting.delete(controller)
    if (!got) return
    begun += 1
    try {
      // A cancelled one is performed all the same: its end has to be written.
      await deps.perform(job.data, { attempt: job.attemptsStarted, token, signal })
    } finally {
      slots.release()
    }
  }

  return {
    process,
    abort: (operation, reason) => controllers.get(operation)?.abort(reason),
    stopWaiting: () => {
      stopped = true
      for (const controller of waiting) controller.abort('draining')
    },
    abortAll: (reason) => {
      for (const controller of controllers.values()) controller.abort(reason)
    },
    slots,
    begun: () => begun,
  }
}

/** Gives the job to another worker at once, ahead of the others; the turn is not counted as an attempt. */
async function handBack({ connection, keys }: TurnsDeps, job: Job, token: string): Promise<never> {
  const { id, epoch }: { id: string; epoch: number } = job.data
  await runScript({ connection, keys }, 'hand-back', fenceOf({ id, epoch, attempt: job.attemptsStarted, token }))
  await job.moveToWait(token)
  throw new WaitingError()
}
