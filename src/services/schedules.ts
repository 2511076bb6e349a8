/**
 * What is done by the clock, decided in this one place from the records as they are: things that are due by a schedule,
 * and things whose time is over. Ticks come every minute and may come twice, late, or to several processes.
 */
import { isFailure, unavailable } from '../core/failure.ts'
import type { Clock } from '../core/ports.ts'
import { isAtStart, isDue } from '../core/schedule.ts'

/** Something with a schedule of its own. */
export interface Scheduled {
  /** Names it for ever. */
  key: string
  schedule: string | Every
  /** When it last started, RFC 3339; undefined: it does not run. */
  started?: string | undefined
  /** Submits what is due; the same `once` submits it once. A conflict is tried again. */
  run(once: string): Promise<unknown>
}

/** At every so many hours after a time. */
export interface Every {
  hours: number
  /** RFC 3339. */
  after: string
}

/** Something whose time is over. */
export interface Expired {
  /** For the log. */
  name: string
  /** Submits its removal. A conflict is tried again at the next tick, and so is everything that is still there. */
  remove(): Promise<unknown>
}

export interface SchedulesDeps {
  clock: Pick<Clock, 'now'>
  /** Each gives what has a schedule now. */
  scheduled: (() => Promise<Scheduled[]>)[]
  /** Each gives what has expired by this time, milliseconds since 1970. Further things that expire are added here. */
  expiring: ((now: number) => Promise<Expired[]>)[]
  onError(failure: unknown, name: string): void
}

export interface Schedules {
  /** One tick, which was planned for `at`. Throws unavailable when some of it is to be tried again. */
  tick(at: number): Promise<void>
}

const MINUTE = 60_000
/** What could not be done for so long is not done any more. */
const LATEST = 10 * MINUTE

export function createSchedules({ clock, scheduled, expiring, onError }: SchedulesDeps): Schedules {
  async function tick(at: number): Promise<void> {
    const minute = Math.floor(at / MINUTE) * MINUTE
    const waiting = clock.now() - minute > LATEST ? [] : await runDue(minute)
    await removeExpired()
    if (waiting.length > 0) throw unavailable(`Busy at the time of their schedule: ${waiting.join(', ')}`)
  }

  /** Those that are to be tried again. */
  async function runDue(minute: number): Promise<string[]> {
    const all = (await Promise.all(scheduled.map((source) => source()))).flat()
    const due = all.flatMap((one) => onceOf(one, minute).map((once) => ({ one, once })))
    const waiting = await Promise.all(
      due.map(async ({ one, once }) => ((await attempt(one.key, () => one.run(once))) ? [] : [one.key])),
    )
    return waiting.flat()
  }

  async function removeExpired(): Promise<void> {
    const over = (await Promise.all(expiring.map((source) => source(clock.now())))).flat()
    await Promise.all(over.map(({ name, remove }) => attempt(name, remove)))
  }

  /** False: in vain for now. */
  async function attempt(name: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (failure) {
      if (isFailure(failure, 'conflict', 'unavailable', 'timeout')) return false
      // Gone meanwhile: nothing is due any more.
      if (!isFailure(failure, 'not-found')) onError(failure, name)
      return true
    }
  }

  return { tick }
}

/** What names this occasion, for the minute and for a start of not long before it. */
function onceOf({ key, schedule, started }: Scheduled, minute: number): string[] {
  if (typeof schedule !== 'string') return isRound(schedule, minute) ? [`schedule:${key}:${minute}`] : []
  const cron = isDue(schedule, new Date(minute)) ? [`schedule:${key}:${minute}`] : []
  const isFresh = started !== undefined && Date.parse(started) > minute - LATEST
  return isFresh && isAtStart(schedule) ? [...cron, `schedule:${key}:${started}`] : cron
}

function isRound({ hours, after }: Every, minute: number): boolean {
  const passed = minute - Math.floor(Date.parse(after) / MINUTE) * MINUTE
  return hours > 0 && passed > 0 && passed % (hours * 60 * MINUTE) === 0
}
