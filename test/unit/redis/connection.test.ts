import { expect, test } from 'vitest'
import { notFound } from '../../../src/core/failure.ts'
import { toRedisFailure } from '../../../src/redis/connection.ts'

function answered(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

test.each([
  'LOADING Redis is loading the dataset in memory',
  "OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
  'MISCONF Errors writing to the AOF file',
])('%s passes', (message) => {
  expect(toRedisFailure(answered(message))).toMatchObject({ code: 'unavailable', retryAfter: 1 })
})

test('what Redis refuses otherwise is our fault, and shows nothing of it', () => {
  const failure = toRedisFailure(answered('ERR user_script:12: attempt to index nil'))
  expect(failure).toMatchObject({ code: 'internal', message: 'Internal error' })
})

test('what never reached Redis means that it is away', () => {
  expect(toRedisFailure(new Error('Command timed out'))).toMatchObject({ code: 'unavailable' })
})

test('a Failure stays what it is', () => {
  const failure = notFound('x')
  expect(toRedisFailure(failure)).toBe(failure)
})
