import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { unavailable } from '../../src/core/failure.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { createRedisTransfers } from '../../src/redis/transfers.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments?.[Symbol.asyncDispose]())
afterEach(() => void vi.useRealTimers())

test('what was left while Redis did not answer is told it by the next beat', async () => {
  const { connection, keys } = deployments.database()
  let isAway = false
  const run: Database['connection']['run'] = (use) =>
    isAway ? Promise.reject(unavailable('away')) : connection.run(use)
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const transfers = createRedisTransfers({ connection: { ...connection, run }, keys }, { operationId: randomUUID })
  const transfer = await transfers.begin()
  isAway = true
  transfer.leave()
  await vi.advanceTimersByTimeAsync(2_000)
  isAway = false
  vi.advanceTimersByTime(2_000)
  const secondsOfSilence = () =>
    connection.run(async (redis) => {
      const [now] = await redis.time()
      return Number(now) - Number(await redis.zscore(keys.key('transfers'), transfer.id)) / 1000
    })
  await expect.poll(secondsOfSilence).toBeGreaterThan(50)
  // Nothing is left to be told.
  await expect.poll(() => vi.getTimerCount()).toBe(0)
})
