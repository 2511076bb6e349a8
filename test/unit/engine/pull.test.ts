import { expect, test } from 'vitest'
import { Readable } from 'node:stream'
import type { PullProgress } from '../../../src/core/engine.ts'
import type { Wire } from '../../../src/engine/docker/engine-wire.ts'
import { pull } from '../../../src/engine/docker/pull.ts'
import type { EngineRequest } from '../../../src/engine/docker/requests.ts'

/** A wire whose every stream says these lines. */
function wireSaying(lines: readonly unknown[], asked: EngineRequest[] = []): Wire {
  return {
    member: 'm',
    deployment: 'd',
    timeouts: { answer: 1, change: 1, work: 1, idle: 1 },
    api: never,
    ask: never,
    hijack: never,
    forget: never,
    closed: new AbortController().signal,
    close: never,
    stream: async (request) => {
      asked.push(request)
      const text = lines.map((line) => `${JSON.stringify(line)}\r\n`).join('')
      return Readable.from([Buffer.from(text.slice(0, 40)), Buffer.from(text.slice(40))], { objectMode: false })
    },
  }
}

test('tells progress over all layers and the digest', async () => {
  const seen: PullProgress[] = []
  const asked: EngineRequest[] = []
  const lines = [
    { status: 'Pulling from library/a', id: '1' },
    layer('l1', 'Pulling fs layer'),
    layer('l2', 'Pulling fs layer'),
    layer('l1', 'Downloading', 50, 100),
    layer('l1', 'Download complete'),
    layer('l2', 'Already exists'),
    layer('l1', 'Extracting', 1, 2),
    layer('l1', 'Downloading', 1, 100),
    layer('l1', 'Pull complete'),
    { status: 'Digest: sha256:abc' },
    { status: 'Status: Downloaded newer image for a:1' },
  ]
  const credentials = { username: 'ü', password: 'p/+' }
  const options = { credentials, onProgress: (progress: PullProgress) => seen.push(progress) }
  expect(await pull(wireSaying(lines, asked), 'host:5000/a:1', options)).toBe('sha256:abc')
  expect(seen.map((one) => one.percent)).toEqual([0, 17, 35, 85, 92, 100])
  expect(asked[0]).toMatchObject({ query: { fromImage: 'host:5000/a', tag: '1' } })
  const header = asked[0]?.headers?.['X-Registry-Auth'] ?? ''
  expect(header).toMatch(/^[\w-]+=*$/)
  expect(header.length % 4).toBe(0)
  expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual(credentials)
})

test.each([
  [
    [{ status: 'Pulling' }, { error: 'x', errorDetail: { message: 'manifest for a:1 not found: manifest unknown' } }],
    'not-found',
  ],
  [[{ status: 'Pulling' }, { error: 'toomanyrequests: slow down' }], 'internal'],
  [[], 'internal'],
])('fails on any line that tells an error, and on silence: %j', async (lines, code) => {
  const pulling = pull(wireSaying(lines), 'a:1', { onProgress: () => undefined })
  await expect(pulling).rejects.toMatchObject({ code, message: expect.stringContaining('pulling image a:1') })
})

function never(): never {
  throw new Error('not to be called')
}

function layer(id: string, status: string, current = 0, total = 0) {
  return { id, status, progressDetail: total === 0 ? {} : { current, total } }
}
