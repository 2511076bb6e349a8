import { expect, test } from 'vitest'
import type { Reading } from '../../../src/core/ports.ts'
import { usageOf } from '../../../src/core/usage.ts'

const reading = (seconds: number, more: Partial<Reading> = {}): Reading => ({
  at: seconds * 1000,
  memoryBytes: 0,
  memoryLimitBytes: 0,
  cpuNanoseconds: 0,
  receivedBytes: 0,
  sentBytes: 0,
  ...more,
})

test('the first reading has no deltas, later ones have those since the one before', () => {
  const [first, second] = usageOf([
    reading(100, { sentBytes: 700, receivedBytes: 50, cpuNanoseconds: 5e9 }),
    reading(110, { sentBytes: 1000, receivedBytes: 60, cpuNanoseconds: 7.5e9 }),
  ])
  expect(first).toMatchObject({ at: 100, cpuPercent: 0, sentBytes: 700, sentDelta: 0, receivedDelta: 0 })
  expect(second).toMatchObject({ at: 110, cpuPercent: 25, sentBytes: 1000, sentDelta: 300, receivedDelta: 10 })
})

test('counters that began anew with a restart give no negative figures', () => {
  const [, second] = usageOf([
    reading(100, { sentBytes: 700, cpuNanoseconds: 5e9 }),
    reading(110, { sentBytes: 10, cpuNanoseconds: 1e9 }),
  ])
  expect(second).toMatchObject({ cpuPercent: 0, sentDelta: 0 })
})
