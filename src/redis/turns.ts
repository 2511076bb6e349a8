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
  /** Aborted, these leave the line before the slots. */
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
    let performed = false
    try {
      performed = await takeTurn(job, token ?? '', controller.signal)
    } finally {
      if (controllers.get(operation) === controller) controllers.delete(operation)
    }
    if (controller.signal.reason === 'draining' || (stopped && !performed)) await handBack(deps, job, token ?? '')
  }

  async function takeTurn(job: Job, token: string, signal: AbortSignal): Promise<boolean> {
    if (!(await waitForSlot(signal))) return false
    begun += 1
    try {
      await deps.perform(job.data, { attempt: job.attemptsStarted, token, signal })
      return true
    } finally {
      slots.release()
    }
  }

  async function waitForSlot(signal: AbortSignal): Promise<boolean> {
    const leaving = new AbortController()
    if (stopped) leaving.abort()
    // A cancelled one keeps its place: its end still has to be written.
    const leave = () => {
      if (signal.reason !== 'cancelled') leaving.abort()
    }
    signal.addEventListener('abort', leave)
    if (signal.aborted) leave()
    waiting.add(leaving)
    const got = await slots.acquire(leaving.signal)
    waiting.delete(leaving)
    signal.removeEventListener('abort', leave)
    return got
  }

  return {
    process,
    abort: (operation, reason) => controllers.get(operation)?.abort(reason),
    stopWaiting: () => {
      stopped = true
      for (const leaving of waiting) leaving.abort()
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
