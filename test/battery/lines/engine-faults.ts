/** F6: engine calls cut, refused or answered by half, one at a time; and an engine that dies under work. */
import { setTimeout as delay } from 'node:timers/promises'
import { LANES, type Baseline } from '../baseline.ts'
import type { Bed } from '../bed.ts'
import type { OperationState } from '../../../src/contract/operation-record.ts'
import { CATALOG } from '../../../src/operations/catalog.ts'
import { disturbed, judge } from '../judge.ts'
import type { Spoiling } from '../proxy.ts'
import type { Random } from '../random.ts'
import { type Asked, type Disturb, inLanes, runScenario } from '../run.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

const SPOILINGS: readonly Spoiling[] = ['before', 'after', 'half', 'refuse']

interface Spoilt {
  baseline: Baseline
  step: string
  /** The number of the call in its step, from 0, and what it was undisturbed. */
  nth: number
  call: string
  how: Spoiling
}

/** What is done in a running instance, or with it, ends where that has died with its engine. */
const WITH_ITS_ENGINE = /\bis not running\b/

/** Every call of every step of every scenario, in each way. */
function everyCall(baselines: readonly Baseline[]): Spoilt[] {
  return baselines.flatMap((baseline) =>
    [...baseline.calls].flatMap(([step, calls]) =>
      calls.flatMap((call, nth) => SPOILINGS.map((how) => ({ baseline, step, nth, call, how }))),
    ),
  )
}

/** As a run is called, and as `--at` names it. */
const nameOf = ({ baseline, step, nth, call, how }: Spoilt): string =>
  `${how}: call ${nth} (${call}) of ${baseline.scenario.kind}.${step}, ${baseline.scenario.name}`

/** Spoils one call after the step has begun, once. */
function spoilAt({ baseline, step, nth, how }: Spoilt): Disturb {
  let done = false
  return (reached, performer) => {
    if (!done && reached.point === `${baseline.scenario.kind}.${step}.before`) {
      done = true
      let count = 0
      performer.engine.onRequest(() => {
        if (count++ < nth) return undefined
        performer.engine.onRequest(undefined)
        return how
      })
    } else performer.engine.onRequest(undefined)
    performer.process.letOn(reached)
  }
}

async function spoilOne(bed: Bed, tally: Tally, spoilt: Spoilt): Promise<void> {
  const { baseline } = spoilt
  const { kind } = baseline.scenario
  const run = nameOf(spoilt)
  const asked = { ...disturbed(baseline, spoilAt(spoilt)), endsWithin: patienceFor(spoilt) }
  const work = () =>
    runScenario(bed, asked, async (done) => {
      const { operation } = done
      // What cannot be undone may be left half by an engine that refuses; the same request again then ends it.
      const isHalf = operation?.state === 'failure' && !CATALOG[kind].cancellable
      const faults = isHalf ? [] : judge(done, baseline, ['success', 'failure'])
      if (faults.length > 0) return tally.failed(run, { faults, done, logs: logsOf(bed) })
      tally.passed(operation === undefined ? undefined : operation.ended - operation.started)
    })
  await attempt(tally, run, work, bed)
}

/** Milliseconds that the product waits for an answer to a question, and to a change; what follows takes a while too. */
const QUESTION = 60_000
const CHANGE = 300_000
const FOLLOWS = 60_000
/** Those that are waited for for so long, and no longer: others may take as long as the engine likes. */
const QUESTIONS = /^GET .*\/(json|volumes|networks)/
const CHANGES =
  /^(POST \S*\/(containers|volumes|networks)\/(\S+\/)?(create|start|rename|pause|unpause)|PUT \S*\/archive)$/

/** A few calls that are never answered, each of which costs the product's own patience: in the first lanes, at once. */
function hangingCalls(all: readonly Spoilt[], random: Random): Spoilt[] {
  const calls = random.shuffled(all.filter(({ how }) => how === 'before'))
  const some = (words: RegExp, hows: readonly Spoiling[]): Spoilt[] => {
    const fitting = calls.filter(({ call, baseline }) => words.test(call) && baseline.scenario.alone === undefined)
    return hows.flatMap((how, at) => (fitting[at] === undefined ? [] : [{ ...fitting[at], how }]))
  }
  return [...some(QUESTIONS, ['hang', 'silent']), ...some(CHANGES, ['hang', 'silent'])]
}

function patienceFor({ how, call }: Spoilt): number | undefined {
  if (how !== 'hang' && how !== 'silent') return undefined
  return (CHANGES.test(call) ? CHANGE : QUESTION) + FOLLOWS
}

/** Operations that all stand at points of the seed's choice when the engine dies; it comes back a second later. */
async function engineDies(bed: Bed, tally: Tally, baselines: readonly Baseline[], random: Random): Promise<void> {
  const picked = random.shuffled(baselines.filter(({ scenario }) => scenario.alone !== 'registry')).slice(0, LANES)
  const waiting = new Set<() => void>()
  let over = 0
  const { promise: isBack, resolve: comeBack } = Promise.withResolvers<void>()
  const killWhenAllStand = async (): Promise<void> => {
    while (waiting.size + over < picked.length) await delay(20)
    await bed.windlass.engine.kill()
    for (const letOn of waiting) letOn()
    await delay(random.below(3_000))
    await bed.restartEngine()
    comeBack()
  }
  const killing = killWhenAllStand()
  await inLanes(picked, LANES, async (baseline) => {
    const at = random.pick(baseline.points)
    let held = false
    const disturb: Disturb = (reached, performer) => {
      const letOn = () => performer.process.letOn(reached)
      if (held || reached.point !== at) return letOn()
      held = true
      waiting.add(letOn)
    }
    const run = `engine dies while ${baseline.scenario.kind} stands at ${at}`
    // What was frozen died with its engine, and runs again.
    const ends = [baseline, { ...baseline, after: baseline.after.replaceAll('"Frozen"', '"Running"') }]
    const isExpected: Asked['isExpected'] = (operation, seen) =>
      ends.some((end) => disturbed(end, disturb).isExpected(operation, seen))
    const work = () =>
      runScenario(bed, { scenario: baseline.scenario, disturb, isExpected, shownWithin: 30_000 }, async (done) => {
        await isBack
        const allowed: OperationState[] = WITH_ITS_ENGINE.test(done.operation?.err ?? '') ? ['failure'] : ['success']
        const [faults = []] = ends
          .map((end) => judge(done, end, allowed))
          .toSorted((one, other) => one.length - other.length)
        if (faults.length > 0) return tally.failed(run, { faults, done, logs: logsOf(bed) })
        tally.passed()
      })
    await attempt(tally, run, work, bed)
    over += 1
  })
  await killing
}

export const engineFaults: Line = {
  name: 'F6',
  what: 'each engine call cut before and after the engine saw it, answered by half, refused; the engine killed',
  minutes: 7,
  run: async ({ bed: open, baselines, tally, random, length, mayBegin, at }) => {
    const known = await baselines()
    const bed = await open()
    const all = random.shuffled(everyCall(known).filter((spoilt) => nameOf(spoilt).includes(at)))
    let done = 0
    const hanging = length === 'full' ? hangingCalls(all, random) : []
    const never = Promise.all(hanging.map((spoilt) => spoilOne(bed, tally, spoilt)))
    await inLanes(all.slice(0, length === 'short' ? 4 : all.length), LANES - hanging.length, async (spoilt) => {
      if (!mayBegin(FOLLOWS)) return
      await spoilOne(bed, tally, spoilt)
      done += 1
    })
    await never
    tally.note(`${done} of ${all.length} calls and ways, and ${hanging.length} calls without an answer`)
    for (let n = 0; n < (length === 'short' ? 1 : 20) && mayBegin(); n++)
      await attempt(tally, `death ${n}`, () => engineDies(bed, tally, known, random), bed)
  },
}
