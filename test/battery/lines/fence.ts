/** F7: workers that lost their operation without knowing it: stopped, blocked, cut off, with another clock. */
import { setTimeout as delay } from 'node:timers/promises'
import { aimAt, LANES, type Target } from '../baseline.ts'
import { LOCK, type Bed } from '../bed.ts'
import { disturbed, judge } from '../judge.ts'
import { look } from '../look.ts'
import type { Performer } from '../pool.ts'
import type { Random } from '../random.ts'
import { inLanes, runScenario, type Disturb } from '../run.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

type How = 'stopped' | 'blocked' | 'cut off' | 'an hour early' | 'an hour late'
const HOW: readonly How[] = ['stopped', 'blocked', 'cut off', 'an hour early', 'an hour late']
const HOUR = 3_600_000

interface Loss {
  target: Target
  how: How
  /** It comes back when another one has begun, not only when all is over. */
  early: boolean
}

/** Milliseconds in which a worker that came back would have written what it must not. */
const SETTLED = 1_000

interface Lost {
  performer?: Performer
  back?: (() => void) | undefined
}

/** What becomes of the worker, and how it comes back. */
function lose(performer: Performer, how: How, letOn: () => void): () => void {
  const { process, redis } = performer
  switch (how) {
    case 'stopped':
      process.kill('SIGSTOP')
      return () => {
        letOn()
        process.kill('SIGCONT')
      }
    case 'blocked':
      process.tell({ type: 'block', ms: 2 * LOCK + 1_000 })
      letOn()
      return () => undefined
    case 'cut off':
      redis.set({ blackHole: true })
      letOn()
      return () => redis.set({})
    case 'an hour early':
    case 'an hour late':
      process.tell({ type: 'clock', ms: how === 'an hour early' ? -HOUR : HOUR })
      letOn()
      return () => process.tell({ type: 'clock', ms: 0 })
  }
}

function loseAt({ target, how, early }: Loss, lost: Lost): Disturb {
  return (reached, performer) => {
    const letOn = () => performer.process.letOn(reached)
    if (lost.performer === undefined && reached.point === target.name) {
      lost.performer = performer
      lost.back = lose(performer, how, letOn)
      return
    }
    if (early && performer !== lost.performer) comeBack(lost)
    letOn()
  }
}

function comeBack(lost: Lost): void {
  lost.back?.()
  lost.back = undefined
}

async function loseOne(bed: Bed, tally: Tally, loss: Loss): Promise<void> {
  const lost: Lost = {}
  const run = `${loss.how} at ${loss.target.name}${loss.early ? ', back early' : ''}`
  const work = () =>
    runScenario(bed, disturbed(loss.target.baseline, loseAt(loss, lost)), async (done) => {
      const faults = judge(done, loss.target.baseline, ['success'])
      comeBack(lost)
      await delay(SETTLED + (loss.how === 'blocked' ? 2 * LOCK : 0))
      const [now] = await bed.audit.operations([done.operation?.id ?? ''])
      if (JSON.stringify(now) !== JSON.stringify(done.operation))
        faults.push(`The operation was written to after its end: ${JSON.stringify(now)}`)
      const seen = await look(bed, done.tag)
      if (seen !== done.after) faults.push(`Users see something else after the worker came back: ${seen}`)
      if (lost.performer === undefined) faults.push(`It never came to ${loss.target.name}`)
      if (faults.length > 0) return tally.failed(run, { faults, done, logs: logsOf(bed) })
      tally.passed()
    })
  await attempt(tally, run, work, bed)
}

function pick(random: Random, targets: readonly Target[]): Loss {
  return { target: random.pick(targets), how: random.pick(HOW), early: random.next() < 0.5 }
}

export const fence: Line = {
  name: 'F7',
  what: 'workers stopped, blocked or cut off for longer than their lock, or with a clock an hour off',
  minutes: 5,
  run: async ({ bed: open, baselines, tally, random, length, mayBegin }) => {
    const { targets } = aimAt(await baselines())
    const bed = await open()
    const onTheWay = targets.filter(({ name, cancelAt }) => cancelAt === undefined && !name.endsWith('.end.after'))
    const losses = Array.from({ length: length === 'short' ? 2 : 100 }, () => pick(random, onTheWay))
    await inLanes(losses, LANES, async (loss) => {
      if (mayBegin()) await loseOne(bed, tally, loss)
    })
  },
}
