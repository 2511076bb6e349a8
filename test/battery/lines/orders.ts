/** P1: operation, queue, fence, cancel, undo and sweep in every order, against the real scripts on a Redis of their own. */
import { runModel } from '../model.ts'
import type { Line } from '../stage.ts'

const SCHEDULES = { short: 500, full: 100_000 } as const
/** Schedules of one call, so that the time is kept to. */
const BATCH = 500

export const orders: Line = {
  name: 'P1',
  what: 'schedules of the model',
  minutes: 12,
  run: async ({ length, tally, random, mayBegin }) => {
    for (let run = 0; run < SCHEDULES[length] && mayBegin(); run += BATCH) {
      const { failures, runs, seed } = await runModel({ schedules: BATCH, seed: random.below(2 ** 20) })
      for (const failure of failures) await tally.failed(`schedules of seed ${seed}`, failure)
      for (let passed = failures.length; passed < runs; passed++) tally.passed()
    }
  },
}
