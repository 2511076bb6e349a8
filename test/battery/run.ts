/** One run of a scenario: sent, disturbed by whoever watches its points, looked at when it has ended. */
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import type { ApiAnswer } from '../../src/setup/api-client.ts'
import type { PointReached } from '../../src/test-points.ts'
import { operationOf, type Bed } from './bed.ts'
import { look } from './look.ts'
import type { Performer } from './pool.ts'
import { clear, makeKit } from './scenario-kit.ts'
import type { Request, Scenario } from './scenario.ts'

export interface Reached {
  at: number
  worker: number
  point: string
  attempt: number
}

export interface Run {
  scenario: string
  tag: string
  request: Omit<Request, 'body' | 'headers'>
  /** What the client got; an error where there was no answer. */
  answer: { status: number; text: string } | string
  /** As the store has it. */
  operation: OperationRecord | undefined
  /** What users saw before the request was sent, and after the operation's end. */
  before: string
  after: string
  points: Reached[]
}

/** Sees every point of the run's operation; it must let it go on, or end the performer. */
export type Disturb = (reached: PointReached, performer: Performer, points: readonly Reached[]) => void

export interface Asked {
  scenario: Scenario
  disturb: Disturb
  /** Whether users see what they are to see. */
  isExpected(operation: OperationRecord, seen: Pick<Run, 'before' | 'after'>): boolean
  /** Milliseconds until users see it, if it may take longer than usual. */
  shownWithin?: number
  /** Milliseconds until it ends, if it may take longer than usual. */
  endsWithin?: number | undefined
}

/** Milliseconds: lists follow the engine's events where an operation was not ended with success. */
const SHOWN_WITHIN = 3_000

const alone = new Map<string, Promise<unknown>>()

/** Waits for the others of its word. */
async function inTurn<T>(word: string | undefined, work: () => Promise<T>): Promise<T> {
  if (word === undefined) return work()
  const before = alone.get(word)
  const mine = Promise.resolve(before)
    .catch(() => undefined)
    .then(work)
  alone.set(word, mine)
  return mine
}

let tags = 0

/** Runs it and hands what came of it to `judge`; then everything of it is cleared away. */
export function runScenario(bed: Bed, asked: Asked, judge: (run: Run) => Promise<void>): Promise<void> {
  const { scenario } = asked
  return inTurn(scenario.alone, async () => {
    const tag = `r${String(++tags).padStart(4, '0')}`
    await perform(bed, asked, tag, judge)
    await clear(bed, tag, ...(scenario.alone === 'registry' ? [bed.registry] : []))
  })
}

async function perform(
  bed: Bed,
  { scenario, disturb, isExpected, shownWithin = SHOWN_WITHIN, endsWithin }: Asked,
  tag: string,
  judge: (run: Run) => Promise<void>,
): Promise<void> {
  const asked = await scenario.prepare(makeKit(bed), tag)
  const before = await look(bed, tag)
  const points: Reached[] = []
  let id: string | undefined
  const unwatch = bed.pool.watch(scenario.kind, asked.entity, (reached, performer) => {
    id ??= reached.operation
    const { point, attempt } = reached
    points.push({ at: performance.now(), worker: performer.process.pid, point, attempt })
    disturb(reached, performer, points)
  })
  try {
    const answer = await bed.call(asked.method, asked.path, asked.body, asked.headers).catch(String)
    if (typeof answer !== 'string') id ??= operationOf(answer)?.split('/').at(-1)
    const operation = id === undefined ? undefined : await bed.audit.ended(id, endsWithin)
    const { method, path, entity } = asked
    const isGood = (seen: string): boolean => operation === undefined || isExpected(operation, { before, after: seen })
    const after = await lookUntil(() => look(bed, tag), isGood, shownWithin)
    const name = `${scenario.kind} ${scenario.name}`
    const request = { method, path, entity }
    // Its points are heard on: a worker tells of the last one when the end is written already.
    await judge({ scenario: name, tag, request, answer: shorten(answer), operation, before, after, points })
  } finally {
    unwatch()
  }
}

function shorten(answer: ApiAnswer | string): Run['answer'] {
  return typeof answer === 'string' ? answer : { status: answer.status, text: answer.text.slice(0, 2_000) }
}

/** What is seen in the end, also where it cannot be looked at for a while. */
async function lookUntil(see: () => Promise<string>, isGood: (seen: string) => boolean, ms: number): Promise<string> {
  const until = performance.now() + ms
  for (;;) {
    const isLast = performance.now() > until
    const seen = isLast ? await see() : await see().catch(() => undefined)
    if (seen !== undefined && (isLast || isGood(seen))) return seen
    await delay(50)
  }
}

/** Runs so many at a time, in order. */
export async function inLanes<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of left) await work(item)
    }),
  )
}
