import { expect, test } from 'vitest'
import { runModel } from './model.ts'

test('in whatever order accept, work, crashes, late calls, cancels and sweeps come, each operation ends once', async () => {
  const { runs, failures } = await runModel({ schedules: 2_000, seed: 1 })
  expect(failures).toEqual([])
  expect(runs).toBe(2_000)
})
