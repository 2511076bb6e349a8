import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'windlass-test-env-'))
  await writeFile(join(folder, '.env'), 'port_area_size=5000\ndocker_sock="unix:///run/other.sock"\n')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const hostFor = (env: Record<string, string>, where = folder) => readConfig(env, where).DOCKER_HOST

test('docker_sock in a .env file is read as DOCKER_HOST', () => {
  expect(hostFor({})).toBe('unix:///run/other.sock')
  expect(hostFor({}, join(folder, 'elsewhere'))).toBeUndefined()
})

test('docker_sock in the environment counts before the file, DOCKER_HOST before both', () => {
  expect(hostFor({ docker_sock: 'tcp://10.0.0.1:2375' })).toBe('tcp://10.0.0.1:2375')
  expect(hostFor({ docker_sock: '/run/third.sock' })).toBe('unix:///run/third.sock')
  expect(hostFor({ docker_sock: '/run/third.sock', DOCKER_HOST: 'unix:///run/mine.sock' })).toBe(
    'unix:///run/mine.sock',
  )
})

test.each(['http://:secret@x', 'localhost:6379', 'unix://redis.sock'])(
  'a REDIS_URL that is none is listed with all other faults, without what it says: %s',
  (text) => {
    const read = () => readConfig({ REDIS_URL: text, WINDLASS_WORKERS: 'x' }, folder)
    expect(read).toThrow(/WINDLASS_WORKERS must[^]*REDIS_URL must be redis:\/\//)
    expect(read).not.toThrow(text)
  },
)

test.each(['redis://:secret@x:6379/2', 'rediss://x', 'unix:///run/redis.sock'])('REDIS_URL may be %s', (text) => {
  expect(readConfig({ REDIS_URL: text }, folder).REDIS_URL).toBe(text)
})
