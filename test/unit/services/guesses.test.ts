import { expect, test } from 'vitest'
import { createGuesses } from '../../../src/services/guesses.ts'

test('so many are free, then one for each span of time', () => {
  let now = 1_000_000
  const guesses = createGuesses({ clock: { now: () => now }, burst: 2, every: 1000 })
  const isRefused = (address: string): boolean => {
    try {
      guesses.check(address)
      return false
    } catch {
      return true
    }
  }
  guesses.wrong('192.0.2.1')
  expect(isRefused('192.0.2.1')).toBe(false)
  guesses.wrong('192.0.2.1')
  expect(isRefused('192.0.2.1')).toBe(true)
  expect(isRefused('192.0.2.2')).toBe(false)
  now += 1000
  expect(isRefused('192.0.2.1')).toBe(false)
  guesses.wrong('192.0.2.1')
  expect(isRefused('192.0.2.1')).toBe(true)
  expect(() => guesses.check('192.0.2.1')).toThrow(
    expect.objectContaining({ code: 'too-many', retryAfter: 1, message: expect.stringContaining('Too many') }),
  )
  now += 60_000
  guesses.wrong('192.0.2.1')
  expect(isRefused('192.0.2.1')).toBe(false)
})

test.each([
  ['2001:db8::1', '2001:db8::2', true],
  ['2001:db8:0:0:1:2:3:4', '2001:db8::ffff', true],
  ['2001:db8:1::1', '2001:db8:2::1', false],
  ['::1', '::2', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
])('%s and %s are one origin: %s', (one, other, isSame) => {
  const guesses = createGuesses({ clock: { now: () => 0 }, burst: 1, every: 1000 })
  guesses.wrong(one)
  const check = () => guesses.check(other)
  if (isSame) expect(check).toThrow('Too many')
  else expect(check).not.toThrow()
})
