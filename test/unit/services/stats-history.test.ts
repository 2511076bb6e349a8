import { expect, test } from 'vitest'
import type { ContainerStats, ContainerSummary } from '../../../src/core/container.ts'
import type { Engine } from '../../../src/core/engine.ts'
import type { Leader, Reading, ReadingStore, RecordReader } from '../../../src/core/ports.ts'
import { createStatsHistory } from '../../../src/services/stats-history.ts'
import { absent } from '../../support/absent.ts'

const MANY = 200
const STATS: ContainerStats = {
  cpuNanoseconds: 1,
  memoryBytes: 1,
  memoryLimitBytes: 1,
  memoryPeakBytes: 0,
  kernelBytes: 0,
  blockBytes: 0,
  swapBytes: 0,
  processes: 1,
  networks: {},
}

test('all are read in one of the rounds that an engine has each second', async () => {
  const isComplete = Promise.withResolvers<void>()
  let asked = 0
  // Docker 20.10 answers at the end of its second, whoever has asked until then.
  const stats = async () => {
    if (++asked === MANY) isComplete.resolve()
    await isComplete.promise
    return STATS
  }
  const added: ReadonlyMap<string, Reading>[] = []
  const containers = Array.from({ length: MANY }, (_, at) =>
    absent<ContainerSummary>('container', { id: String(at), status: 'running', own: undefined, labels: {} }),
  )
  const history = createStatsHistory({
    engines: new Map([
      ['local', absent<Engine>('engine', { containers: absent<Engine['containers']>('', { stats }) })],
    ]),
    inventory: { containers: () => containers },
    records: absent<RecordReader>('records', { list: async () => [] }),
    store: absent<ReadingStore>('store', { isWanted: async () => true, add: async (some) => void added.push(some) }),
    leaderOf: () => absent<Leader>('leader', { lead: async () => true, resign: async () => undefined }),
    clock: { now: () => 0, uuid: () => '', operationId: () => '' },
    onError: (failure) => {
      throw failure
    },
  })
  await history.sample()
  expect(added.map(({ size }) => size)).toEqual([MANY])
  await history.close()
}, 5_000)
