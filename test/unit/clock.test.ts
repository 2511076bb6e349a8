import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'

test('operation ids are UUIDs of version 7 that tell when they were made', () => {
  const before = Date.now()
  const ids = Array.from({ length: 100 }, () => systemClock.operationId())
  const after = Date.now()
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const made = Number.parseInt(id.replace('-', '').slice(0, 12), 16)
    expect([made >= before, made <= after]).toEqual([true, true])
  }
  expect(new Set(ids).size).toBe(100)
})
