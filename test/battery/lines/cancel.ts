/** F13: a cancel at every point, alone or with the worker's death, and a cancel that races the end. */
import { setTimeout as delay } from 'node:timers/promises'
import { aimAt, LANES, type Baseline, type Target } from '../baseline.ts'
import type { Bed } from '../bed.ts'
import { disturbed, judge } from '../judge.ts'
import { inLanes, runScenario, type Disturb } from '../run.ts'
import { attempt, logsOf, type Line, type Stage } from '../stage.ts'
import type { Tally } from '../tally.ts'

/** `alone`: the worker lives. `killed`: it dies at that point. `race`: it does not wait for the answer to the cancel. */
type How = 'alone' | 'killed' | 'race'
const HOW: readonly How[] = ['alone', 'killed', 'race']

export interface Cancel {
  target: Target
  how: How
}

interface Asked {
  status?: number
  at?: number
}

function cancelAt(bed: Bed, { target, how }: Cancel, asked: Asked): Disturb {
  let begun = false
  return (reached, performer) => {
    if (reached.point !== target.name || begun) return performer.process.letOn(reached)
    begun = true
    asked.at = performance.now()
    const answered = bed.call('DELETE', `/1.0/operations/${reached.operation}`).then(
      ({ status }) => void (asked.status = status),
      () => undefined,
    )
    if (how === 'race') performer.process.letOn(reached)
    else void answered.then(() => (how === 'killed' ? bed.pool.kill(performer) : performer.process.letOn(reached)))
  }
}

/** The answer of a cancel that raced the end may come after it. */
async function isAnswered(asked: Asked): Promise<void> {
  for (let tries = 0; tries < 300 && asked.status === undefined; tries++) await delay(10)
}

async function cancelOne(bed: Bed, tally: Tally, cancel: Cancel): Promise<void> {
  const { target, how } = cancel
  const asked: Asked = {}
  const run = `cancel ${how} at ${target.name}`
  const work = () =>
    runScenario(bed, disturbed(target.baseline, cancelAt(bed, cancel, asked)), async (done) => {
      await isAnswered(asked)
      const faults = judge(done, target.baseline, [asked.status === 200 ? 'cancelled' : 'success'])
      if (asked.status !== 200 && asked.status !== 400) faults.push(`The cancel was answered with ${asked.status}`)
      if (faults.length > 0) return tally.failed(run, { faults, asked, done, logs: logsOf(bed) })
      const { operation } = done
      const from = how === 'alone' && operation?.state === 'cancelled' ? operation.cancel?.at : undefined
      tally.passed(from === undefined ? undefined : (operation?.ended ?? 0) - from)
    })
  await attempt(tally, run, work, bed)
}

/** In the order given, until the time is used; how many were done. */
export async function cancelAtAll(stage: Stage, cancels: readonly Cancel[]): Promise<number> {
  const bed = await stage.bed()
  let done = 0
  await inLanes(cancels, LANES, async (cancel) => {
    if (!stage.mayBegin()) return
    await cancelOne(bed, stage.tally, cancel)
    done += 1
  })
  return done
}

/** Each point in each way. */
export function allCancels(baselines: readonly Baseline[], name: string): Cancel[] {
  const { targets } = aimAt(baselines, name)
  const onTheWay = targets.filter(({ cancelAt: leads }) => leads === undefined)
  return onTheWay.flatMap((target) => HOW.map((how) => ({ target, how })))
}

export const cancel: Line = {
  name: 'F13',
  what: 'a cancel at every point: alone, with the death of the worker, racing; p50, p99, max from cancel to end',
  minutes: 10,
  run: async (stage) => {
    const all = stage.random.shuffled(allCancels(await stage.baselines(), stage.at))
    const done = await cancelAtAll(stage, stage.length === 'short' ? all.slice(0, 1) : all)
    if (stage.length === 'full') stage.tally.note(`${done} of ${all.length} points and ways`)
  },
}
