import { expect, test } from 'vitest'
import { parseInfo, reasonsAgainst } from '../../../src/redis/deployment.ts'

const info = (over: Record<string, string> = {}) =>
  new Map(Object.entries({ redis_version: '7.0.15', aof_enabled: '1', maxmemory_policy: 'noeviction', ...over }))

test('INFO is read line by line', () => {
  const text = '# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nexecutable:/a:b\r\n'
  expect([...parseInfo(text)]).toEqual([
    ['redis_version', '7.0.15'],
    ['executable', '/a:b'],
  ])
})

test.each([
  [{}, 0, ''],
  [{ redis_version: '6.2.0' }, 0, ''],
  [{ redis_version: '10.0.1' }, 0, ''],
  [{ redis_version: '6.0.16' }, 1, '6.0.16'],
  [{ redis_version: '5.0.9' }, 1, '5.0.9'],
  [{ aof_enabled: '0' }, 1, 'append-only'],
  [{ maxmemory_policy: 'volatile-lru' }, 1, 'volatile-lru'],
  [{ aof_enabled: '0', maxmemory_policy: 'allkeys-lru', redis_version: '4.0.0' }, 3, '4.0.0'],
])('a Redis with %j has %i faults', (over, count, word) => {
  const reasons = reasonsAgainst(info(over))
  expect(reasons).toHaveLength(count)
  expect(reasons.join(' ')).toContain(word)
})
