import type { OperationRecord } from '../contract/operation-record.ts'
import { isFinal } from '../core/operation-states.ts'
import type { EventBus, OperationStore } from '../core/ports.ts'

export interface WaitOptions {
  /** Reads the operation, once; what it throws ends the wait. From the store if not said. */
  read?: (() => Promise<OperationRecord | undefined>) | undefined
  signal?: AbortSignal | undefined
}

export interface Waits {
  /** The final operation, or undefined after `ms` or when the signal aborts. */
  until(id: string, ms: number, options?: WaitOptions): Promise<OperationRecord | undefined>
  /** The server's cap on one wait, milliseconds. */
  readonly longest: number
  close(): void
}

type Wake = (operation: OperationRecord | undefined) => void

/** Lost events cost one of these, not an answer; milliseconds. All waiters are read again in one batch. */
const REREAD = 1_000
const BATCH = 200

/** Waits are woken by the event log and served from the store. */
export function createWaits(deps: { bus: EventBus; store: OperationStore; longest: number }): Waits {
  const waiting = new Map<string, Set<Wake>>()
  const unsubscribe = deps.bus.subscribe((event) => {
    if (event.type === 'operation' && waiting.size > 0 && isFinal(event.state)) wake(event.operation)
  })
  const timer = setInterval(() => void reread().catch(() => undefined), REREAD)

  function wake(operation: OperationRecord): void {
    for (const resolve of waiting.get(operation.id) ?? []) resolve(operation)
  }

  async function reread(): Promise<void> {
    const ids = [...waiting.keys()]
    for (let at = 0; at < ids.length; at += BATCH) {
      const operations = await deps.store.getMany(ids.slice(at, at + BATCH))
      for (const operation of operations) if (isFinal(operation.state)) wake(operation)
    }
  }

  async function until(id: string, ms: number, options: WaitOptions = {}): Promise<OperationRecord | undefined> {
    const { read = () => deps.store.get(id), signal } = options
    const { promise, resolve } = Promise.withResolvers<OperationRecord | undefined>()
    const wakes = waiting.get(id) ?? new Set()
    waiting.set(id, wakes.add(resolve))
    const giveUp = () => resolve(undefined)
    const timeout = setTimeout(giveUp, ms)
    signal?.addEventListener('abort', giveUp)
    try {
      // Waited for already: an end between this read and its event cannot be missed.
      const operation = await read()
      if (operation === undefined || isFinal(operation.state)) return operation
      if (signal?.aborted) return undefined
      return await promise
    } finally {
      clearTimeout(timeout)
      signal?.removeEventListener('abort', giveUp)
      wakes.delete(resolve)
      if (wakes.size === 0) waiting.delete(id)
    }
  }

  function close(): void {
    clearInterval(timer)
    unsubscribe()
    for (const wakes of waiting.values()) for (const resolve of wakes) resolve(undefined)
  }

  return { until, longest: deps.longest, close }
}
