import { expect, test } from 'vitest'
import { backoffAfter } from '../../../src/setup/supervise.ts'

test('pauses between lives double up to ten seconds', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 20].map(backoffAfter)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000])
})
