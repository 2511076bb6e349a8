import { expect, test } from 'vitest'
import { conflict, internal, notFound } from '../../../src/core/failure.ts'
import { createSchedules, type Scheduled, type SchedulesDeps } from '../../../src/services/schedules.ts'

const NOON = Date.parse('2026-03-04T12:00:00Z')

function schedulesOf(deps: Partial<SchedulesDeps>, now = NOON + 1_000) {
  const faults: string[] = []
  const onError = (_failure: unknown, name: string) => void faults.push(name)
  const schedules = createSchedules({ clock: { now: () => now }, scheduled: [], expiring: [], onError, ...deps })
  return { ...schedules, faults }
}

function one(schedule: string, more: Partial<Scheduled> = {}) {
  const asked: string[] = []
  const run = async (once: string) => void asked.push(once)
  return { asked, source: async () => [{ key: 'u1', schedule, run, ...more }] }
}

test('what is due at a tick is asked for by the minute, and again by the same name when the tick comes twice', async () => {
  const hourly = one('@hourly')
  const daily = one('@daily')
  const { tick } = schedulesOf({ scheduled: [hourly.source, daily.source] })
  await tick(NOON + 400)
  await tick(NOON + 59_999)
  expect(new Set(hourly.asked)).toEqual(new Set([`schedule:u1:${NOON}`]))
  expect(daily.asked).toEqual([])
})

test('a tick that comes late is done for its own minute, one that comes too late is not', async () => {
  const hourly = one('@hourly')
  await schedulesOf({ scheduled: [hourly.source] }, NOON + 5 * 60_000).tick(NOON)
  expect(hourly.asked).toEqual([`schedule:u1:${NOON}`])
  await schedulesOf({ scheduled: [hourly.source] }, NOON + 11 * 60_000).tick(NOON)
  expect(hourly.asked).toHaveLength(1)
})

test('each start is one occasion of @startup, for those that started not long ago', async () => {
  const now = one('@startup', { started: '2026-03-04T11:59:00Z' })
  const before = one('@startup', { started: '2026-03-03T11:59:00Z' })
  const stopped = one('@startup')
  await schedulesOf({ scheduled: [now.source, before.source, stopped.source] }).tick(NOON)
  expect([now.asked, before.asked, stopped.asked]).toEqual([['schedule:u1:2026-03-04T11:59:00Z'], [], []])
})

test('busy ones do not keep others waiting, and make the tick come again', async () => {
  const busy = one('@hourly', { key: 'u2', run: () => Promise.reject(conflict('Instance is busy')) })
  const free = one('@hourly')
  const removed: string[] = []
  const over = async () => [{ name: 's0', remove: async () => void removed.push('s0') }]
  const { tick } = schedulesOf({ scheduled: [busy.source, free.source], expiring: [over] })
  await expect(tick(NOON)).rejects.toMatchObject({ code: 'unavailable', message: /u2$/ })
  expect(free.asked).toHaveLength(1)
  expect(removed).toEqual(['s0'])
})

test('what has expired is asked for by the time it is; what cannot be removed is told, what is gone or busy is not', async () => {
  const asked: number[] = []
  const failing = (name: string, failure: Error) => ({ name, remove: () => Promise.reject(failure) })
  const { tick, faults } = schedulesOf({
    expiring: [
      async (now) => {
        asked.push(now)
        return [failing('broken', internal('no')), failing('gone', notFound('no')), failing('busy', conflict('no'))]
      },
    ],
  })
  await tick(NOON)
  expect(asked).toEqual([NOON + 1_000])
  expect(faults).toEqual(['broken'])
})
