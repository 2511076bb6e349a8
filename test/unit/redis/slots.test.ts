import { expect, test } from 'vitest'
import { createSlots } from '../../../src/redis/slots.ts'

const never = new AbortController().signal

test('those who wait get a slot in order', async () => {
  const slots = createSlots(1)
  const order: number[] = []
  expect(await slots.acquire(never)).toBe(true)
  const waiting = [1, 2].map(async (n) => {
    await slots.acquire(never)
    order.push(n)
  })
  expect(slots.free()).toBe(0)
  slots.release()
  await waiting[0]
  slots.release()
  await waiting[1]
  expect(order).toEqual([1, 2])
  slots.release()
  expect(slots.free()).toBe(1)
})

test('who gives up takes no slot from the others', async () => {
  const slots = createSlots(1)
  await slots.acquire(never)
  const leaving = new AbortController()
  const [left, next] = [slots.acquire(leaving.signal), slots.acquire(never)]
  leaving.abort()
  expect(await left).toBe(false)
  slots.release()
  expect(await next).toBe(true)
  expect(slots.free()).toBe(0)
  expect(await slots.acquire(leaving.signal)).toBe(false)
})
