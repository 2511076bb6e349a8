/** Whether every attempt at an operation began for a reason: a death, or a lock that its worker lost to the machine. */
import type { Bed } from './bed.ts'
import type { Reached, Run } from './run.ts'
import { standstillsIn, type Standstill } from './standstills.ts'

export interface Attempts {
  faults: string[]
  /** Attempts that began because a living worker had lost its lock while something stood still. */
  lost: string[]
}

/** What the judgement looks at besides the record and the points. */
export interface Evidence {
  /** What the worker of this pid has said so far. */
  output(pid: number): string
  /** Of the relays and of Redis. */
  standstills: readonly Standstill[]
  /** Milliseconds. */
  lock: number
}

/**
 * Locks' times before an attempt in which the one before it was lost: one until it runs out, another one until both
 * looks for stalled jobs have found that, and one more for whoever takes it up.
 */
const WINDOW = 3
/** A lock is renewed when up to half of its time is over: standing still for less loses none. */
const ENOUGH = 1 / 2

export function evidenceOf({ pool, standstills, lock }: Bed): Evidence {
  return { output: pool.output, standstills: standstills.seen, lock }
}

/** `deaths`: the last point of each worker that was killed. */
export function judgeAttempts(
  { operation, points }: Pick<Run, 'operation' | 'points'>,
  deaths: readonly Reached[],
  evidence: Evidence,
): Attempts {
  const faults: string[] = []
  const lost: string[] = []
  const began = firstPoints(points)
  for (const [at, next] of began.entries()) {
    const before = began[at - 1]
    if (before === undefined || deaths.some((death) => isSame(death, before))) continue
    const said = evidence.output(before.worker)
    const still = longest(evidence, said, next.at)
    const told = `attempt ${next.attempt} began although worker ${before.worker} had not died`
    // Both it and BullMQ name the job when its lock turns out to be another one's, or nobody's.
    const isLost = new RegExp(`(lock|key)[^\\n]*op-${operation?.id}`, 'i').test(said)
    const enough = evidence.lock * ENOUGH
    if (isLost && still.ms >= enough) lost.push(`${told}: it lost its lock, ${still.where} had stood still`)
    else if (isLost) faults.push(`${told}: it lost its lock, and nothing had stood still for ${enough} ms`)
    else faults.push(`${told}, and it says nothing of a lost lock`)
  }
  const attempts = operation?.attempts ?? 0
  const explained = deaths.length + 1 + lost.length
  if (faults.length === 0 && attempts !== explained)
    faults.push(`${attempts} attempts after ${deaths.length} deaths and ${lost.length} lost locks`)
  return { faults, lost }
}

/** The first point of every attempt, in order. */
function firstPoints(points: readonly Reached[]): Reached[] {
  const firsts = new Map<number, Reached>()
  for (const point of points) if (!firsts.has(point.attempt)) firsts.set(point.attempt, point)
  return [...firsts.values()].toSorted((one, other) => one.attempt - other.attempt)
}

function isSame(one: Reached, other: Reached): boolean {
  return one.worker === other.worker && one.attempt === other.attempt
}

/** What had stood still the longest, all in all, when an attempt began. */
function longest({ standstills, lock }: Evidence, said: string, began: number): { where: string; ms: number } {
  const near = [...standstills, ...standstillsIn(said)].filter(
    ({ until, ms }) => until > began - WINDOW * lock && until - ms < began,
  )
  const [most] = [...Map.groupBy(near, ({ where }) => where)]
    .map(([where, all]) => ({ where, ms: all.reduce((sum, { ms }) => sum + ms, 0) }))
    .toSorted((one, other) => other.ms - one.ms)
  return most ?? { where: 'nothing', ms: 0 }
}
