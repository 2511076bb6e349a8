import { expect, test } from 'vitest'
import { isNewEnough, parseRedisVersion, redisArguments } from '../../../src/setup/redis.ts'

test.each([
  ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d', '7.0.15'],
  ['Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1', '8.1.1'],
  ['redis-cli 7.0', undefined],
  ['', undefined],
])('the version in %s is %s', (text, version) => {
  expect(parseRedisVersion(text)).toBe(version)
})

test.each([
  ['6.0.16', false],
  ['6.2.0', true],
  ['7.0.15', true],
  ['5.9.9', false],
  ['10.0.0', true],
])('%s is new enough: %s', (version, isEnough) => {
  expect(isNewEnough(version)).toBe(isEnough)
})

test('our own Redis opens no port, writes before it answers and evicts nothing', () => {
  const line = redisArguments('/data').join(' ')
  expect(line).toContain('--port 0 ')
  expect(line).toContain('--unixsocket /data/redis.sock ')
  expect(line).toContain('--appendonly yes --appendfsync always --maxmemory-policy noeviction')
})
