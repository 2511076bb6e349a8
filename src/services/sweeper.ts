/** Mends what a crash left between two lines: operations that no queue knows are queued again, old ones forgotten. */
import type { Clock, JobQueue, Leader, OperationStore } from '../core/ports.ts'
import { findLostJobs } from '../sweep/lost-jobs.ts'
import type { Mend } from '../sweep/mend.ts'

export interface SweeperDeps {
  leader: Leader
  store: OperationStore
  queue: JobQueue
  clock: Clock
  /** Milliseconds and number of finished operations that are kept. */
  keep: { age: number; operations: number }
  /** What else the leader does, about every second; each on its own. */
  chores?: (() => Promise<void>)[]
  /** What else may be wrong with unfinished operations that have no job; mending it may take as long as an engine takes. */
  lookers?: ((ids: string[]) => Promise<Mend[]>)[]
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
/** Operations looked at in one sweep; the next one goes on behind them, so that no backlog hides a lost job for long. */
const AT_ONCE = 500

/** Sweeps while this process leads; every API process runs one. */
export function createSweeper(deps: SweeperDeps): Sweeper {
  const { leader, store, queue, clock } = deps
  let sweeping: Promise<void> | undefined
  let skip = 0
  const mending = new Map<string, Promise<unknown>>()
  const chores = (deps.chores ?? []).map((chore) => oneAtATime(chore, deps.onError))
  const timer = setInterval(() => {
    sweeping ??= sweep()
      .catch((failure: unknown) => deps.onError(failure))
      .finally(() => (sweeping = undefined))
  }, EVERY)

  async function sweep(): Promise<void> {
    if (!(await leader.lead(TERM))) {
      skip = 0
      return
    }
    for (const chore of chores) chore()
    await mend()
  }

  async function mend(): Promise<void> {
    const ids = await store.unfinished(clock.now() - SETTLED, AT_ONCE, skip)
    skip = ids.length < AT_ONCE ? 0 : skip + AT_ONCE
    // A backlog is in the queue, nearly always all of it: only the rest is read.
    const doubtful = await queue.doubtful(ids)
    const lost = await findLostJobs(deps, doubtful)
    await Promise.all(lost.map((one) => one.mend()))
    for (const look of deps.lookers ?? []) for (const one of await look(doubtful)) mendBeside(one)
    await store.prune(clock.now() - deps.keep.age, deps.keep.operations)
  }

  /** Once at a time for each object. */
  function mendBeside({ object, mend: begin }: Mend): void {
    if (mending.has(object)) return
    const going = begin()
      .catch((failure: unknown) => deps.onError(failure))
      .finally(() => mending.delete(object))
    mending.set(object, going)
  }

  async function close(): Promise<void> {
    clearInterval(timer)
    await sweeping
    await leader.resign().catch((failure: unknown) => deps.onError(failure))
  }

  return { close }
}

/** Begins it unless it still goes on: an engine that hangs must not keep lost jobs from being found. */
function oneAtATime(chore: () => Promise<void>, onError: (failure: unknown) => void): () => void {
  let going: Promise<void> | undefined
  return () => {
    going ??= chore()
      .catch(onError)
      .finally(() => (going = undefined))
  }
}
