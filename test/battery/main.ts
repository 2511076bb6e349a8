/**
 * `npm run battery [-- --short] [--seed 7] [--only F1,F3] [--minutes 60] [--at snapshot.create]`: faults of every sort against real processes,
 * a real Redis and a real engine. Each line says its runs, seed, failures and times; what failed is written down in a
 * directory of the run's own below test-results/battery. A seed repeats which runs there are and their order. `--short` runs every line once, then
 * points of F1 and F13 until its time is used.
 */
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { stopAsked } from '../../src/stop-asked.ts'
import { aimAt } from './baseline.ts'
import { allCancels, cancel, cancelAtAll } from './lines/cancel.ts'
import { accept, race } from './lines/accept.ts'
import { carried } from './lines/carried.ts'
import { engineFaults } from './lines/engine-faults.ts'
import { fence } from './lines/fence.ts'
import { orders } from './lines/orders.ts'
import { redisDies, redisUnfit } from './lines/redis-faults.ts'
import { restarts } from './lines/restarts.ts'
import { crash, crashAgain, crashAtAll, crashSlowly } from './lines/crash.ts'
import { crowded, queued } from './lines/volume.ts'
import { fullDisk } from './lines/full-disk.ts'
import { weather } from './lines/weather.ts'
import { createRandom, type Random } from './random.ts'
import { createShared, type Line, type Shared, type Stage } from './stage.ts'
import { createTally, type Length, type Tally } from './tally.ts'

const LINES: readonly Line[] = [
  crash,
  cancel,
  crashAgain,
  crashSlowly,
  carried,
  accept,
  redisDies,
  redisUnfit,
  engineFaults,
  fence,
  weather,
  fullDisk,
  race,
  restarts,
  queued,
  crowded,
  orders,
]
const MINUTES: Record<Length, number> = { short: 7, full: 60 }

interface Asked {
  length: Length
  seed: number
  lines: readonly Line[]
  /** Of `performance.now()`. */
  until: number
  /** Only points with this in their names, of F1 and F13, and calls of F6. */
  at: string
}

async function main(): Promise<number> {
  const asked = await readArguments()
  const tallies = new Map(asked.lines.map(({ name }) => [name, createTally(name, asked.seed)]))
  const left = createTally('left behind', asked.seed)
  const stopped = stopAsked().then(() => left.failed('stopped', 'It was asked to stop before all had ended'))
  {
    await using shared = createShared(asked.seed)
    await Promise.race([stopped, runAll(asked, tallies, shared, left)])
  }
  const all = [...tallies.values()]
  const sum = (count: (tally: Tally) => number) => all.reduce((total, tally) => total + count(tally), 0)
  const failures = sum((tally) => tally.failures) + left.failures
  say(`battery: ${all.length} lines, ${sum((tally) => tally.runs)} runs, ${failures} failures`)
  return failures === 0 ? 0 : 1
}

async function runAll(asked: Asked, tallies: Map<string, Tally>, shared: Shared, left: Tally): Promise<void> {
  for (const line of asked.lines) await runLine(asked, line, tallies, shared)
  await useTheRest(asked, tallies, shared)
  const bed = await shared.opened()?.catch(() => undefined)
  for (const one of (await bed?.audit.settled()) ?? []) await left.failed(one.what, one)
}

async function runLine(asked: Asked, line: Line, tallies: Map<string, Tally>, shared: Shared): Promise<void> {
  const tally = tallies.get(line.name) ?? createTally(line.name, asked.seed)
  const slice = asked.length === 'short' ? asked.until : performance.now() + line.minutes * 60_000
  const stage: Stage = {
    length: asked.length,
    at: asked.at,
    tally,
    random: randomOf(asked.seed, line.name),
    mayBegin: untilLate(tally, Math.min(slice, asked.until)),
    bed: shared.bed,
    baselines: shared.baselines,
  }
  try {
    await line.run(stage)
    if (tally.runs === 0) throw new Error('It has not run even once: nothing is shown by it')
  } catch (error) {
    await tally.failed(line.what, error instanceof Error ? error.stack : String(error))
  }
  const bed = await shared.opened()?.catch(() => undefined)
  for (const one of bed?.audit.takeOverdue() ?? []) await tally.failed(one.what, one)
  if (!isRepeated(line)) say(tally.describe())
}

/** However slow the machine is, each line runs once: what has not run has shown nothing. */
function untilLate(tally: Tally, until: number): Stage['mayBegin'] {
  return (ms = 0) => tally.runs === 0 || performance.now() + ms < until
}

const isRepeated = ({ name }: Line): boolean => name === crash.name || name === cancel.name

/** Points of F1 and F13 in an order of the seed's, again and again in the full run, until the time is used. */
async function useTheRest(asked: Asked, tallies: Map<string, Tally>, shared: Shared): Promise<void> {
  const [crashes, cancels] = [crash, cancel].map(({ name }) => tallies.get(name))
  if (crashes === undefined && cancels === undefined) return
  const baselines = await shared.baselines().catch(() => undefined)
  if (baselines === undefined) return
  const random = randomOf(asked.seed, 'rest')
  const stageOf = (tally: Tally): Stage => {
    return { ...asked, ...shared, tally, random, mayBegin: untilLate(tally, asked.until) }
  }
  for (let round = 0; round === 0 || (asked.length === 'full' && performance.now() < asked.until); round++) {
    const points = random.shuffled(aimAt(baselines, asked.at).targets)
    const ways = random.shuffled(allCancels(baselines, asked.at))
    await Promise.all([
      crashes && crashAtAll(stageOf(crashes), points).then((done) => tell(crashes, done, points.length)),
      cancels && cancelAtAll(stageOf(cancels), ways).then((done) => tell(cancels, done, ways.length)),
    ])
  }
  for (const tally of [crashes, cancels]) if (tally !== undefined) say(tally.describe())
}

function tell(tally: Tally, done: number, of: number): void {
  tally.note(`${done} of ${of} points`)
}

/** The same for the same seed, whichever lines run besides. */
function randomOf(seed: number, name: string): Random {
  return createRandom(Buffer.from(name).reduce((hash, byte) => Math.imul(hash, 31) + byte, seed))
}

async function readArguments(): Promise<Asked> {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean' },
      seed: { type: 'string' },
      only: { type: 'string' },
      minutes: { type: 'string' },
      at: { type: 'string' },
      yes: { type: 'boolean' },
    },
  })
  const length = values.short === true ? 'short' : 'full'
  const only = values.only?.split(',')
  const lines = LINES.filter(({ name }) => only === undefined || only.includes(name))
  if (lines.length === 0)
    throw new Error(`There is no line ${values.only}; there are ${LINES.map(({ name }) => name).join(', ')}`)
  const minutes = Number(values.minutes ?? MINUTES[length])
  const seed = values.seed === undefined ? await seedOfCommit() : Number(values.seed)
  return { length, seed, lines, at: values.at ?? '', until: performance.now() + minutes * 60_000 }
}

async function seedOfCommit(): Promise<number> {
  const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD']).catch(() => ({ stdout: '1' }))
  return Number.parseInt(stdout.slice(0, 7), 16)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

// What was asked to stop has lines that would go on for long.
process.exit(await main())
