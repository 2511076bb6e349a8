import { expect, test } from 'vitest'
import { toLogLine } from '../../../src/redis/log-teller.ts'

test('a line is told in the shape of LXD, and nothing of an error but its message', () => {
  const err = { type: 'Error', message: 'it is away', stack: 'Error: it is away\n    at …' }
  const written = {
    level: 40,
    time: '2026-11-21T09:16:00.000Z',
    pid: 7,
    engines: ['local'],
    err,
    url: '/x',
    msg: 'Redis',
  }
  expect(toLogLine(`${JSON.stringify(written)}\n`)).toEqual({
    line: { message: 'Redis', level: 'warning', context: { engines: '["local"]', err: 'it is away', url: '/x' } },
    at: Date.parse('2026-11-21T09:16:00.000Z'),
  })
})

test('what is no line of a log is not told', () => {
  expect(toLogLine('not JSON')).toBeUndefined()
})
