import { expect, test } from 'vitest'
import type { Reading, ReadingStore } from '../../src/core/ports.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const HOUR = 3_600_000

export function reading(at: number, more: Partial<Reading> = {}): Reading {
  return {
    at,
    memoryBytes: 2 ** 20 + 1,
    memoryLimitBytes: 2 ** 40 + 1,
    cpuNanoseconds: 123_456_789_012,
    receivedBytes: 2048,
    sentBytes: 512,
    ...more,
  }
}

/** What every store of readings does. `create` gives an empty one. */
export function readingStoreSuite(create: () => ReadingStore): void {
  test('readings come back as they were, oldest first, each to its own key', async () => {
    const store = create()
    await store.add(new Map([['b', reading(NOON - 5_000, { sentBytes: 7 })]]))
    await store.add(new Map([['a', reading(NOON)]]))
    await store.add(new Map([['a', reading(NOON + 10_000)], ['b', reading(NOON + 10_000)]])) // prettier-ignore
    expect(await store.list('a', NOON + 10_000)).toEqual([reading(NOON), reading(NOON + 10_000)])
    expect((await store.list('b', NOON + 10_000))[0]).toEqual(reading(NOON - 5_000, { sentBytes: 7 }))
    expect(await store.list('nobody', NOON)).toEqual([])
  })

  test('what is five hours old is gone, whether or not something came after it', async () => {
    const store = create()
    await store.add(new Map([['a', reading(NOON)]]))
    expect(await store.list('a', NOON + 5 * HOUR - 1)).toHaveLength(1)
    expect(await store.list('a', NOON + 5 * HOUR)).toEqual([])
    for (let at = NOON + HOUR; at <= NOON + 7 * HOUR; at += 10_000) await store.add(new Map([['a', reading(at)]]))
    const kept = await store.list('a', NOON + 7 * HOUR)
    expect(kept).toHaveLength(1800)
    expect(kept[0]?.at).toBe(NOON + 2 * HOUR + 10_000)
    expect(kept.at(-1)?.at).toBe(NOON + 7 * HOUR)
  })

  test('the first who asks for readings is told so', async () => {
    const store = create()
    expect(await store.isWanted()).toBe(false)
    expect(await store.want(60_000)).toBe(true)
    expect(await store.want(60_000)).toBe(false)
    expect(await store.isWanted()).toBe(true)
  })
}
