/** Schedules over the real adapters: ticks that one of the API processes takes, and what is to be done at them. */
import { openTicks } from './redis/ticks.ts'
import { createSchedules, type SchedulesDeps } from './services/schedules.ts'
import type { Deps } from './wire.ts'

/** Milliseconds between two looks whether Redis still knows of the next tick. */
const EVERY = 10_000

/** What the leader does about every second. */
export function openSchedules(deps: Deps, sources: Pick<SchedulesDeps, 'scheduled' | 'expiring'>): () => Promise<void> {
  const { config, log, clock, database } = deps
  const { tick } = createSchedules({
    ...sources,
    clock,
    onError: (failure, name) => log.warn({ err: failure, name }, 'What was due could not be done'),
  })
  const ticks = openTicks({
    connection: deps.connect('scheduler'),
    keys: database.keys,
    pattern: config.WINDLASS_TEST_TICK,
    onTick: tick,
    onError: (error) => log.warn({ err: error }, 'Schedules'),
  })
  deps.onClose(() => ticks.close())
  let last = Number.NEGATIVE_INFINITY
  return async () => {
    if (clock.now() - last < EVERY) return
    await ticks.ensure()
    last = clock.now()
  }
}
