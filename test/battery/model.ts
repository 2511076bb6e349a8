/** The operation, the queue, the fence, cancel, undo and the sweep in every order: a model against the real scripts. */
import { asyncProperty, check, type RunDetails } from 'fast-check'
import { Redis } from 'ioredis'
import { makeKeys } from '../../src/redis/keys.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { startRedis } from '../support/redis.ts'
import { schedule, type Event } from './model/schedule.ts'
import { World } from './model/world.ts'

export interface ModelResult {
  /** Schedules that were run. */
  runs: number
  /** What was broken, with the shortest schedule that breaks it. */
  failures: string[]
  seed: number
}

/** Schedules under way at a time, each in a database of its own. */
const LANES = 15

/** Runs so many schedules; the same seed gives the same ones. */
export async function runModel({ schedules, seed }: { schedules: number; seed: number }): Promise<ModelResult> {
  await using redis = await startRedis({ appendfsync: 'no' })
  const shares = Array.from({ length: LANES }, (_, lane) => Math.floor((schedules + lane) / LANES))
  const lanes = await Promise.all(
    shares.map((numRuns, lane) => runLane({ socket: redis.socket, lane, numRuns, seed: seed * LANES + lane })),
  )
  return {
    runs: lanes.reduce((sum, { runs }) => sum + runs, 0),
    failures: lanes.flatMap(({ failure }) => failure ?? []),
    seed,
  }
}

async function runLane(of: { socket: string; lane: number; numRuns: number; seed: number }) {
  if (of.numRuns === 0) return { runs: 0, failure: undefined }
  const redis = new Redis(of.socket, { db: of.lane, replyMapping: 'legacy' })
  const database: Database = { connection: connectionOf(redis), keys: makeKeys('model') }
  const property = asyncProperty(schedule, async (events) => {
    await redis.flushdb()
    await new World(database).run(events)
  })
  try {
    const { numRuns, seed } = of
    const result = await check(property, { numRuns, seed })
    return { runs: result.numRuns, failure: result.failed ? describe(result) : undefined }
  } finally {
    redis.disconnect()
  }
}

function connectionOf(redis: Redis): Database['connection'] {
  return {
    redis,
    role: 'worker',
    run: (commands) => commands(redis),
    ready: async () => undefined,
    close: () => undefined,
  }
}

function describe(result: RunDetails<[Event[]]>): string {
  const { seed, counterexamplePath, counterexample, errorInstance } = result
  const reason = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  const events = (counterexample?.[0] ?? []).map((event) => JSON.stringify(event)).join(' ')
  return `${reason} (seed ${seed}, path ${counterexamplePath}): ${events}`
}
