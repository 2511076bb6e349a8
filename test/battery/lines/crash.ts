/** F1 and F2: workers killed at every point, and killed again. */
import { setTimeout as delay } from 'node:timers/promises'
import { evidenceOf, judgeAttempts } from '../attempts.ts'
import { aimAt, LANES, takeBaselines, type Target } from '../baseline.ts'
import { openBed, type Bed } from '../bed.ts'
import { disturbed, judge } from '../judge.ts'
import { inLanes, runScenario, type Disturb, type Reached } from '../run.ts'
import { attempt, logsOf, type Line, type Stage } from '../stage.ts'
import type { Tally } from '../tally.ts'

/** Milliseconds between a death and the first point of whoever took over. */
function takeover(points: readonly Reached[], death: Reached): number | undefined {
  const next = points.find(({ at, worker }) => at > death.at && worker !== death.worker)
  return next === undefined ? undefined : next.at - death.at
}

/** Cancels on the way, where the point lies on the way back; kills when it is there, in each of so many attempts. */
function killAt(bed: Bed, target: Target, kills: number, deaths: Reached[]): Disturb {
  let cancelling: Promise<unknown> | undefined
  return (reached, performer, points) => {
    const here = points.at(-1)
    if (reached.point === target.name && deaths.length < kills && here !== undefined) {
      deaths.push(here)
      return bed.pool.kill(performer)
    }
    if (reached.point !== target.cancelAt || cancelling !== undefined) return performer.process.letOn(reached)
    cancelling = bed
      .call('DELETE', `/1.0/operations/${reached.operation}`)
      .catch(() => undefined)
      .finally(() => performer.process.letOn(reached))
  }
}

/** Nobody comes back to an operation whose end is written. */
const isOver = ({ name }: Target): boolean => /\.(end|fail)\.after$/.test(name)

/** One run: so many deaths at the same point. */
export async function crashAt(bed: Bed, tally: Tally, target: Target, kills: number): Promise<void> {
  const deaths: Reached[] = []
  const run = `${kills} × ${target.name}`
  const work = () =>
    runScenario(bed, disturbed(target.baseline, killAt(bed, target, kills, deaths)), async (done) => {
      const faults = judge(done, target.baseline, [target.cancelAt === undefined ? 'success' : 'cancelled'])
      for (let tries = 0; deaths.length === 0 && tries < 300; tries++) await delay(10)
      if (deaths.length === 0) faults.push(`It never came to ${target.name}`)
      const evidence = evidenceOf(bed)
      const attempts = isOver(target) ? { faults: [], lost: [] } : judgeAttempts(done, deaths, evidence)
      faults.push(...attempts.faults)
      const { standstills } = evidence
      if (faults.length > 0) return tally.failed(run, { faults, deaths, done, standstills, logs: logsOf(bed) })
      for (const lost of attempts.lost) tally.saw('locks lost to the machine', `${run}: ${lost}`)
      const took = deaths.flatMap((death) => takeover(done.points, death) ?? [])
      tally.passed(took.length === 0 ? undefined : Math.max(...took))
    })
  await attempt(tally, run, work, bed)
}

/** A death at each of the points in the order given, until the time is used; how many were reached. */
export async function crashAtAll(stage: Stage, targets: readonly Target[]): Promise<number> {
  const bed = await stage.bed()
  let done = 0
  await inLanes(targets, LANES, async (target) => {
    if (!stage.mayBegin()) return
    await crashAt(bed, stage.tally, target, 1)
    done += 1
  })
  return done
}

export const crash: Line = {
  name: 'F1',
  what: 'kill -9 of the worker at every point of every kind; p50, p99, max of the takeover',
  minutes: 10,
  run: async (stage) => {
    const { targets, missed } = aimAt(await stage.baselines(), stage.at)
    for (const point of missed) await stage.tally.failed(point, 'No scenario comes to this point: write one')
    const all = stage.random.shuffled(targets)
    const done = await crashAtAll(stage, stage.length === 'short' ? all.slice(0, 1) : all)
    if (stage.length === 'full') stage.tally.note(`${done} of ${all.length} points`)
  },
}

/** At most so many deaths of one operation; ten attempts are the product's own bound. */
const MOST_DEATHS = 5

export const crashAgain: Line = {
  name: 'F2',
  what: 'two to five deaths of the same operation; p50, p99, max of the longest takeover',
  minutes: 4,
  run: async (stage) => {
    const { random, length, tally, mayBegin } = stage
    const { targets } = aimAt(await stage.baselines())
    const bed = await stage.bed()
    const ongoing = targets.filter((target) => !isOver(target))
    const runs = length === 'short' ? 1 : 500
    const picked = Array.from({ length: runs }, () => ({
      target: random.pick(ongoing),
      kills: 2 + random.below(MOST_DEATHS - 1),
    }))
    await inLanes(picked, LANES, async ({ target, kills }) => {
      if (mayBegin()) await crashAt(bed, tally, target, kills)
    })
  },
}

/** Kinds whose points stand for all: made, taken back and frozen for. */
const FEW = ['instance.create', 'instance.stop', 'snapshot.create'] as const
const FEW_WORKERS = 4

export const crashSlowly: Line = {
  name: 'F1b',
  what: "kill -9 of the worker where locks are as long as the product's own; p50, p99, max of the takeover",
  minutes: 2,
  run: async ({ tally, random, length, mayBegin }) => {
    await using bed = await openBed({ random, workers: FEW_WORKERS, lock: undefined })
    const { targets } = aimAt(await takeBaselines(bed, FEW))
    const picked = random.shuffled(targets.filter((target) => !isOver(target)))
    await inLanes(length === 'short' ? picked.slice(0, 1) : picked, FEW_WORKERS, async (target) => {
      if (mayBegin()) await crashAt(bed, tally, target, 1)
    })
    for (const one of await bed.audit.settled()) await tally.failed(one.what, one)
  },
}
