import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/core/engine.ts'
import type { ContainerStats, ContainerSummary } from '../../src/core/container.ts'
import type { Leader, RecordReader } from '../../src/core/ports.ts'
import { createRedisReadingStore } from '../../src/redis/reading-store.ts'
import { createStatsHistory } from '../../src/services/stats-history.ts'
import { absent } from '../support/absent.ts'
import { readingStoreSuite } from './reading-store.suite.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments

beforeAll(async () => {
  deployments = await startDeployments()
})

afterAll(() => deployments?.[Symbol.asyncDispose]())

describe('store of readings', () => readingStoreSuite(() => createRedisReadingStore(deployments.database())))

test('a day of stats of 200 containers stays below 64 MB and grows no more once five hours are kept', async () => {
  const database = deployments.database()
  const used = async (): Promise<number> => {
    const info = await database.connection.run((redis) => redis.info('memory'))
    return Number(/used_memory:(\d+)/.exec(info)?.[1])
  }
  const before = await used()
  let now = Date.UTC(2026, 10, 21)
  const store = createRedisReadingStore(database)
  const containers = Array.from({ length: 200 }, (_, at) => summaryOf(at.toString(16).padStart(64, '0')))
  const history = createStatsHistory({
    engines: new Map([['local', engineAt(() => now)]]),
    inventory: { containers: () => containers },
    records: absent<RecordReader>('records', { list: async () => [] }),
    store,
    leaderOf: () => absent<Leader>('leader', { lead: async () => true, resign: async () => undefined }),
    clock: { now: () => now, uuid: () => '', operationId: () => '' },
    onError: (failure) => {
      throw failure
    },
  })
  // Longer than the test takes on a busy machine.
  await store.want(600_000)
  const round = async (hours: number) => {
    for (const end = now + hours * 3_600_000; now < end; now += 10_000) await history.sample()
  }
  await round(5.5)
  const full = await used()
  await round(18.5)
  const atNight = await used()
  await history.close()
  expect(full - before).toBeLessThan(64e6)
  expect(atNight - before).toBeLessThan(64e6)
  expect(Math.abs(atNight - full)).toBeLessThan(2e6)
  now -= 10_000
  const [{ id } = { id: '' }] = containers
  expect(await history.of({ uuid: id, member: 'local', container: id })).toHaveLength(1800)
}, 240_000)

function summaryOf(id: string): ContainerSummary {
  return absent<ContainerSummary>('container', { id, status: 'running', own: undefined, labels: {} })
}

/** Counters that grow with the time. */
function engineAt(now: () => number): Engine {
  const stats = async (): Promise<ContainerStats> => ({
    cpuNanoseconds: now() * 1e5,
    memoryBytes: 2 ** 28,
    memoryLimitBytes: 2 ** 31,
    memoryPeakBytes: 0,
    kernelBytes: 0,
    blockBytes: 0,
    swapBytes: 0,
    processes: 1,
    networks: {},
  })
  return absent<Engine>('engine', { containers: absent<Engine['containers']>('containers', { stats }) })
}
