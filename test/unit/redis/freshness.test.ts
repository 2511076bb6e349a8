import { expect, test } from 'vitest'
import { unavailable } from '../../../src/core/failure.ts'
import { createFreshness } from '../../../src/redis/freshness.ts'

test('readers of the same turn share one question', async () => {
  let asked = 0
  const freshness = createFreshness(() => Promise.resolve((asked += 1) && 0))
  expect(await Promise.all(Array.from({ length: 20 }, () => freshness.check(true)))).toEqual(Array(20).fill('fresh'))
  expect(asked).toBe(1)
  await freshness.check(true)
  expect(asked).toBe(2)
})

test('a read waits until memory has reached what was written', async () => {
  const freshness = createFreshness(() => Promise.resolve(3))
  const checked = freshness.check(true)
  setImmediate(() => freshness.reach(2))
  setImmediate(() => setImmediate(() => freshness.reach(3)))
  expect(await checked).toBe('fresh')
  expect(freshness.reached()).toBe(3)
})

test('a read of a memory that does not catch up is sent to the store', async () => {
  const freshness = createFreshness(() => Promise.resolve(1))
  expect(await freshness.check(true)).toBe('behind')
})

test('a store that went back is noticed; one that memory has passed meanwhile is not taken for it', async () => {
  const freshness = createFreshness(() => Promise.resolve(2))
  const checked = freshness.check(true)
  freshness.reach(5)
  expect(await checked).toBe('fresh')
  expect(await freshness.check(true)).toBe('lost')
})

test('while the store refuses, memory answers, and since when is known', async () => {
  let away = true
  const freshness = createFreshness(() => (away ? Promise.reject(unavailable('away')) : Promise.resolve(0)))
  const before = Date.now()
  expect(await freshness.check(true)).toBe('away')
  const since = freshness.awaySince()
  expect(since).toBeGreaterThanOrEqual(before)
  expect(await freshness.check(true)).toBe('away')
  expect(freshness.awaySince()).toBe(since)
  away = false
  expect(await freshness.check(true)).toBe('fresh')
  expect(freshness.awaySince()).toBeUndefined()
})

test('without anything in memory the store is asked', async () => {
  const freshness = createFreshness(() => Promise.reject(unavailable('away')))
  expect(await freshness.check(false)).toBe('behind')
})
