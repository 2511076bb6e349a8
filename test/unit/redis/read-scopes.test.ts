import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { FreshnessState } from '../../../src/redis/freshness.ts'
import { createReadScopes } from '../../../src/redis/read-scopes.ts'

/** Asks that are counted and answered with what is given, `fresh` at last. */
function counted(...states: FreshnessState[]) {
  let asked = 0
  const ask = async (): Promise<FreshnessState> => {
    asked += 1
    await delay(1)
    return states.shift() ?? 'fresh'
  }
  return { ask, count: () => asked }
}

test('reads of one scope ask once, those of others and those outside on their own', async () => {
  const scopes = createReadScopes()
  const { ask, count } = counted()
  const read = () => scopes.check(ask)
  const request = async (): Promise<void> => {
    await Promise.all([read(), read()])
    await delay(1)
    await read()
  }
  const within = scopes.open()
  await within(request)
  expect(count()).toBe(1)
  await Promise.all([within(request), scopes.open()(request)])
  expect(count()).toBe(2)
  await read()
  await read()
  expect(count()).toBe(4)
})

test('after something was written the scope asks again', async () => {
  const scopes = createReadScopes()
  const { ask, count } = counted()
  await scopes.open()(async () => {
    await scopes.check(ask)
    scopes.renew()
    await scopes.check(ask)
    await scopes.check(ask)
  })
  expect(count()).toBe(2)
  scopes.renew()
})

test('only a good answer is kept', async () => {
  const scopes = createReadScopes()
  const { ask, count } = counted('behind', 'away')
  const seen = await scopes.open()(async () => [
    await scopes.check(ask),
    await scopes.check(ask),
    await scopes.check(ask),
    await scopes.check(ask),
  ])
  expect(seen).toEqual(['behind', 'away', 'fresh', 'fresh'])
  expect(count()).toBe(3)
  await scopes.open()(async () => {
    await expect(scopes.check(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await scopes.check(ask)).toBe('fresh')
  })
})

test('what goes on for longer than a request asks again', async () => {
  const scopes = createReadScopes()
  const { ask, count } = counted()
  await scopes.open()(async () => {
    await scopes.check(ask)
    await delay(1_050)
    await scopes.check(ask)
  })
  expect(count()).toBe(2)
})
