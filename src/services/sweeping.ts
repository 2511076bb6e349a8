/** The sweep as it runs by itself, in the process that leads. */
import { isFailure } from '../core/failure.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import type { Sweep, Swept } from '../sweep/sweep.ts'
import type { Inventory } from './inventory.ts'

export interface SweepingDeps {
  records: Pick<RecordReader, 'find'>
  sweep: Sweep
  inventory: Pick<Inventory, 'member' | 'members'>
  clock: Pick<Clock, 'now'>
  onSwept(swept: Swept): void
}

/** Milliseconds between two sweeps of the engines. */
const EVERY = 30_000
/** Every so many of them look at the queue and at all claims, too; the leader looks for lost jobs all the time. */
const WHOLE = 20

/** One sweep at most every 30 s, however often it is called; none while an engine is away. */
export function createSweeping({ records, sweep, inventory, clock, onSwept }: SweepingDeps): () => Promise<void> {
  let last = Number.NEGATIVE_INFINITY
  let count = 0
  return async () => {
    if (clock.now() - last < EVERY || !inventory.members.every((name) => inventory.member(name).online)) return
    // A server that has only just begun makes what it begins with first.
    if ((await records.find('project', '', 'default')) === undefined) return
    last = clock.now()
    try {
      const extent = count % WHOLE === 0 ? 'all' : 'engines'
      for (const one of await sweep({ dryRun: false, extent, patience: 0 })) onSwept(one)
      count += 1
    } catch (thrown) {
      // Somebody sweeps by hand.
      if (!isFailure(thrown, 'conflict')) throw thrown
    }
  }
}
