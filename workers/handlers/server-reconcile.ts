import type { Swept } from '../../src/sweep/sweep.ts'
import type { Handler } from '../steps.ts'

/** Listed in the result; the rest is counted. */
const LISTED = 1_000
/** Milliseconds to wait for the end of a sweep that goes on already. */
const PATIENCE = 60_000

/** The sweep that runs by itself, now and in whole. Running it twice finds less. */
export const serverReconcile: Handler<'server.reconcile'> = {
  steps: [
    {
      name: 'sweep',
      run: async ({ sweep, input, signal }) =>
        sweep({ dryRun: input.dry_run, extent: 'all', patience: PATIENCE, signal }),
    },
  ],
  finish: async ({ input, note }) => {
    const found = note('sweep') as Swept[] // the step's own note
    const listed = found.slice(0, LISTED)
    return {
      changes: [],
      metadata: { dry_run: input.dry_run, found: listed, more: found.length - listed.length },
    }
  },
}
