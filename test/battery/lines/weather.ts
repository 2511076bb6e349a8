/**
 * F8: bad networks of every sort between all processes, one after the other. What is never answered costs the product's
 * own minutes and then fails, which is for F6 to see; here it ends with its weather, and then all has to succeed.
 */
import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { LANES } from '../baseline.ts'
import type { Bed } from '../bed.ts'
import { disturbed, judge } from '../judge.ts'
import type { Weather } from '../proxy.ts'
import type { Random } from '../random.ts'
import { inLanes, runScenario } from '../run.ts'
import { attempt, logsOf, type Line } from '../stage.ts'

const WEATHERS: readonly Weather[] = [
  { latency: [0, 50] },
  { latency: [0, 500] },
  { cut: 0.01 },
  { swallow: 0.05 },
  { slice: 16 },
  { latency: [0, 20], cut: 0.005, slice: 512 },
]
/** Milliseconds of each, and of calm after it. */
const BAD = 4_000
const CALM = 1_000

function setAll({ pool, apiEngine, apiRedis }: Bed, weather: Weather): void {
  for (const proxy of [apiEngine, apiRedis]) proxy.set(weather)
  for (const { engine, redis } of pool.performers) for (const proxy of [engine, redis]) proxy.set(weather)
}

async function change(bed: Bed, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    setAll(bed, random.pick(WEATHERS))
    await delay(BAD, undefined, { signal }).catch(() => undefined)
    setAll(bed, {})
    await delay(CALM, undefined, { signal }).catch(() => undefined)
  }
}

/** Open files of an API process. */
async function filesOf({ windlass }: Bed): Promise<number> {
  return (await readdir(`/proc/${windlass.api.pid}/fd`)).length
}

export const weather: Line = {
  name: 'F8',
  what: 'latency, cuts, swallowed connections and small pieces between all processes; ms from begin to end',
  minutes: 5,
  run: async ({ bed: open, baselines, tally, random, length, mayBegin }) => {
    const known = await baselines()
    const bed = await open()
    const before = await filesOf(bed)
    const calming = new AbortController()
    const changing = change(bed, random, calming.signal)
    const picked = Array.from({ length: length === 'short' ? 3 : 5_000 }, () => random.pick(known))
    await inLanes(picked, LANES, async (baseline) => {
      if (!mayBegin(60_000)) return
      const { kind, name } = baseline.scenario
      const asked = disturbed(baseline, (reached, performer) => performer.process.letOn(reached))
      const work = () =>
        runScenario(bed, { ...asked, shownWithin: 30_000 }, async (done) => {
          const faults = judge(done, baseline, ['success'])
          if (faults.length > 0) return tally.failed(`${kind} ${name}`, { faults, done, logs: logsOf(bed) })
          tally.passed((done.operation?.ended ?? 0) - (done.operation?.created ?? 0))
        })
      await attempt(tally, `${kind} ${name}`, work, bed)
    })
    calming.abort()
    await changing
    await delay(3_000)
    tally.note(`${(await filesOf(bed)) - before} more files open in the first API process`)
  },
}
