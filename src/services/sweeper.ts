/** Mends what a crash left between two lines: operations that no queue knows are queued again, old ones forgotten. */
import type { Clock, JobQueue, Leader, OperationStore } from '../core/ports.ts'

export interface SweeperDeps {
  leader: Leader
  store: OperationStore
  queue: JobQueue
  clock: Clock
  /** Milliseconds and number of finished operations that are kept. */
  keep: { age: number; operations: number }
  onError(failure: unknown): void
}

export interface Sweeper {
  close(): Promise<void>
}

/** Milliseconds between two sweeps, and how long one process leads without renewing. */
const EVERY = 1_000
const TERM = 5_000
/** An operation that was touched less long ago is on its way into the queue; milliseconds. */
const SETTLED = 2_000
const AT_ONCE = 500

/** Sweeps while this process leads; every API process runs one. */
export function createSweeper(deps: SweeperDeps): Sweeper {
  const { leader, store, queue, clock } = deps
  let sweeping: Promise<void> | undefined
  const timer = setInterval(() => {
    sweeping ??= sweep()
      .catch((failure: unknown) => deps.onError(failure))
      .finally(() => (sweeping = undefined))
  }, EVERY)

  async function sweep(): Promise<void> {
    if (!(await leader.lead(TERM))) return
    for (const id of await store.unfinished(clock.now() - SETTLED, AT_ONCE)) await queueAgain(id)
    await store.prune(clock.now() - deps.keep.age, deps.keep.operations)
  }

  /** The epoch is raised first: whoever still held the lost job can write nothing any more. */
  async function queueAgain(id: string): Promise<void> {
    const operation = await store.get(id)
    if (operation === undefined || operation.place !== 'worker') return
    if (await queue.has(operation.member, id)) return
    const hold = await store.raiseEpoch(id, clock.now())
    if (hold !== undefined) await queue.add(operation.member, { id, kind: operation.kind, epoch: hold.epoch })
  }

  async function close(): Promise<void> {
    clearInterval(timer)
    await sweeping
    await leader.resign().catch((failure: unknown) => deps.onError(failure))
  }

  return { close }
}
