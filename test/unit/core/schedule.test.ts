import { describe, expect, test } from 'vitest'
import { isAtStart, isDue, scheduleFault } from '../../../src/core/schedule.ts'

const at = (time: string) => new Date(`${time}:30Z`)

describe('snapshots.schedule', () => {
  test.each([
    ['*/15 * * * *', '2026-03-04T05:45', '2026-03-04T05:46'],
    ['5/20 * * * *', '2026-03-04T05:25', '2026-03-04T05:20'],
    ['0 6 * * *', '2026-03-04T06:00', '2026-03-04T07:00'],
    ['30 8-18/2 * * mon-fri', '2026-03-04T10:30', '2026-03-07T10:30'],
    ['0 0 1 jan,JUL *', '2026-07-01T00:00', '2026-08-01T00:00'],
    ['@hourly', '2026-03-04T05:00', '2026-03-04T05:01'],
    ['@daily', '2026-03-04T00:00', '2026-03-04T01:00'],
    ['@midnight', '2026-03-04T00:00', '2026-03-04T12:00'],
    ['@weekly', '2026-03-01T00:00', '2026-03-02T00:00'],
    ['@monthly', '2026-03-01T00:00', '2026-03-02T00:00'],
    ['@annually', '2026-01-01T00:00', '2026-02-01T00:00'],
    ['@never, @yearly', '2026-01-01T00:00', '2027-02-01T00:00'],
  ])('%s is due at %s and not at %s', (schedule, due, not) => {
    expect(scheduleFault(schedule)).toBeUndefined()
    expect(isDue(schedule, at(due))).toBe(true)
    expect(isDue(schedule, at(not))).toBe(false)
  })

  test('of a day of the month and a weekday either is enough', () => {
    expect(isDue('0 0 13 * fri', at('2026-03-13T00:00'))).toBe(true)
    expect(isDue('0 0 13 * fri', at('2026-04-13T00:00'))).toBe(true)
    expect(isDue('0 0 13 * fri', at('2026-04-10T00:00'))).toBe(true)
    expect(isDue('0 0 13 * fri', at('2026-04-11T00:00'))).toBe(false)
  })

  test('@never is never, @startup only when an instance starts', () => {
    expect(isDue('@never', at('2026-01-01T00:00'))).toBe(false)
    expect(isDue('@startup', at('2026-01-01T00:00'))).toBe(false)
    expect(isAtStart('@daily, @startup')).toBe(true)
    expect(isAtStart('@daily')).toBe(false)
  })

  test.each([
    '',
    'daily',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 7',
    '5-1 * * * *',
  ])('"%s" is refused', (schedule) => {
    expect(scheduleFault(schedule)).toMatch('Schedule must be of the form')
    expect(isDue(schedule, at('2026-01-01T00:00'))).toBe(false)
  })

  test.each(['*/0 * * * *', '*-5 * * * *', '1.5 * * * *', '@daily @hourly', '@every 1h', '0 0 1 1 * 2026'])(
    '"%s" is refused as well',
    (schedule) => expect(scheduleFault(schedule)).toMatch('Schedule must be of the form'),
  )
})

test('one that is longer than anybody writes is none', () => {
  expect(scheduleFault(`0 0 * * ${'1,'.repeat(300)}1`)).toMatch('Schedule must be of the form')
})
