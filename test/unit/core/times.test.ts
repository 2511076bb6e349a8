import { expect, test } from 'vitest'
import { expiryAfter, parseExpiry } from '../../../src/core/times.ts'

const NEVER = '0001-01-01T00:00:00Z'

test.each([
  [undefined, NEVER],
  [null, NEVER],
  ['', NEVER],
  [NEVER, NEVER],
  ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z'],
  ['2030-01-01T02:30:00.5+02:30', '2030-01-01T00:00:00.500Z'],
])('%s is %s', (text, time) => {
  expect(parseExpiry(text)).toBe(time)
})

// One of these in an answer fails the whole list of a client written in Go.
test.each(['never', '2030-01-01', '2030-01-01T00:00:00', '2030-13-01T00:00:00Z', '2030-01-01 00:00:00Z', '1893456000'])(
  '%s is refused',
  (text) => {
    expect(() => parseExpiry(text)).toThrow(`Invalid expires_at "${text}"`)
  },
)

test.each([
  ['', NEVER],
  ['30M', '2028-02-28T23:30:00Z'],
  ['1d 1H', '2028-03-01T00:00:00Z'],
  ['1w', '2028-03-06T23:00:00Z'],
  ['1m', '2028-03-28T23:00:00Z'],
  ['1y', '2029-02-28T23:00:00Z'],
  ['999999y', NEVER],
])('%s after the evening of the 28th of February 2028 is %s', (expression, time) => {
  expect(expiryAfter(new Date('2028-02-28T23:00:00Z'), expression)).toBe(time)
})
