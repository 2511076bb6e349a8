import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTicks, type Ticks } from '../../src/redis/ticks.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments?.[Symbol.asyncDispose]())

function open({ keys }: Database, onTick: (at: number) => Promise<void>): Ticks {
  const connection = deployments.connect('scheduler')
  return openTicks({ connection, keys, pattern: '* * * * * *', onTick, onError: () => undefined })
}

/** Collects ticks of several processes. */
function collect() {
  const seen: number[] = []
  const changed = new EventTarget()
  return {
    seen,
    onTick: async (at: number) => {
      seen.push(at)
      changed.dispatchEvent(new Event('tick'))
    },
    async reaches(count: number) {
      while (seen.length < count)
        await new Promise<void>((resolve) => changed.addEventListener('tick', () => resolve(), { once: true }))
    },
  }
}

test('each tick is taken by one process, whoever asked for them, and for the second it was planned for', async () => {
  const database = deployments.database()
  const { seen, onTick, reaches } = collect()
  const processes = [open(database, onTick), open(database, onTick)]
  await Promise.all(processes.map(({ ensure }) => ensure()))
  await processes[0]?.ensure()
  await reaches(4)
  for (const ticks of processes) await ticks.close()
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.every((at) => at % 1_000 === 0)).toBe(true)
})

test('ticks come again when Redis has lost everything', async () => {
  const database = deployments.database()
  const { seen, onTick, reaches } = collect()
  const ticks = open(database, onTick)
  await ticks.ensure()
  await reaches(1)
  await database.connection.redis.flushall()
  const before = seen.length
  await ticks.ensure()
  await reaches(before + 2)
  await ticks.close()
})

test('a tick whose work fails comes again, for the same time', async () => {
  const database = deployments.database()
  const { seen, onTick, reaches } = collect()
  let failed: number | undefined
  const ticks = open(database, async (at) => {
    if (failed === undefined) {
      failed = at
      throw new Error('busy')
    }
    if (at === failed) await onTick(at)
  })
  await ticks.ensure()
  await reaches(1)
  await ticks.close()
  expect(seen).toEqual([failed])
})
