import { expect, test } from 'vitest'
import { toJsonLine, toReadableLine } from '../../../src/setup/log-lines.ts'

test('JSON lines pass unchanged where nobody reads along', () => {
  const line = '{"level":30,"msg":"hello"}'
  expect(toJsonLine('api', line, 0)).toBe(line)
})

test.each(['plain words', '{broken'])('"%s" is wrapped into JSON', (line) => {
  expect(JSON.parse(toJsonLine('redis', line, 5))).toEqual({ level: 30, time: 5, name: 'redis', msg: line })
})

test('a person sees level, message and further fields', () => {
  const line = JSON.stringify({
    level: 40,
    time: 0,
    pid: 1,
    hostname: 'h',
    name: 'api',
    msg: 'slow',
    operation: 'o1',
    ms: 3,
  })
  expect(toReadableLine('worker 1', line, 0)).toMatch(/^\d\d:\d\d:\d\d worker 1 \| WARN slow operation=o1 ms=3$/)
  expect(toReadableLine('redis', 'plain', 0)).toMatch(/^\d\d:\d\d:\d\d redis {4}\| plain$/)
})
