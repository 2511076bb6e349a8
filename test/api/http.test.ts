import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { trustSocket } from '../../src/http/caller.ts'
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const put = (payload: string | object) => api.call({ method: 'PUT', url: '/1.0', payload })

const failure = (status: number, error: unknown) => ({
  status,
  body: { type: 'error', status: '', status_code: 0, operation: '', error_code: status, error, metadata: null },
})

test.each(['/nosuch', '/2.0', '/1.0/', '/1.0/operations/', '/1.0/operations/x/nosuch'])('%s is 404', async (url) => {
  expect(await api.call({ url })).toMatchObject(failure(404, 'not found'))
})

test.each([
  ['DELETE', '/1.0'],
  ['POST', '/1.0/operations/x'],
  ['PUT', '/jobs/x'],
] as const)('%s %s is not implemented', async (method, url) => {
  expect(await api.call({ method, url })).toMatchObject(failure(501, 'not implemented'))
})

test('OPTIONS is fine and empty where there is a path, HEAD is not implemented', async () => {
  expect(await api.call({ method: 'OPTIONS', url: '/1.0/operations' })).toMatchObject({ status: 200, body: '' })
  expect(await api.call({ method: 'HEAD', url: '/1.0/operations' })).toMatchObject({ status: 501 })
})

test('a body that is not JSON is 400 with the words of the parser', async () => {
  expect(await put('{bad')).toMatchObject(failure(400, expect.stringContaining('JSON')))
  expect(await put('')).toMatchObject(failure(400, 'EOF'))
  expect(await put('[]')).toMatchObject(failure(400, 'Invalid body: must be object'))
  for (const key of ['__proto__', String.raw`\u005f_proto__`, String.raw`__\u0070roto__`])
    expect(await put(`{"config":{"${key}":"x"}}`)).toMatchObject(failure(400, expect.stringContaining('__proto__')))
  for (const half of [String.raw`"config":{"user.a":"\ud800"}`, String.raw`"\uDC00":1`])
    expect(await put(`{${half}}`)).toMatchObject(failure(400, 'Invalid body: it contains half of a surrogate pair'))
  expect(await put(String.raw`{"config":{"user.a":"\ud83e\udd2f"}}`)).toMatchObject({ status: 200 })
})

test('nothing in a body is turned into something else, and unknown fields do not matter', async () => {
  expect(await put({ config: { 'user.a': 7 } })).toMatchObject(
    failure(400, 'Invalid body: config.user.a must be string'),
  )
  expect(await put({ config: null, nosuch: true })).toMatchObject({ status: 200 })
})

test('a JSON body is read without a content type, or with another one', async () => {
  const payload = '{"config":{"user.typed":"no"}}'
  expect(await api.call({ method: 'PUT', url: '/1.0', payload })).toMatchObject({ status: 200 })
  const headers = { 'content-type': 'text/plain' }
  expect(await api.call({ method: 'PUT', url: '/1.0', payload, headers })).toMatchObject({ status: 200 })
})

test('bodies where none belongs are ignored', async () => {
  const headers = { 'content-type': 'application/json' }
  expect(await api.call({ url: '/1.0', payload: '""\n', headers })).toMatchObject({ status: 200 })
  const id = randomUUID()
  for (const payload of ['""\n', '', '{bad'])
    expect(await api.call({ method: 'DELETE', url: `/1.0/operations/${id}`, payload, headers })).toMatchObject(
      failure(404, 'Operation not found'),
    )
})

test('a body that is too large is 413', async () => {
  const payload = JSON.stringify({ config: { 'user.a': 'x'.repeat(1024 * 1024) } })
  expect(await api.call({ method: 'PUT', url: '/1.0', payload })).toMatchObject(
    failure(413, 'Request body is too large'),
  )
})

test.each(['..%2f..%2fetc', 'a%00b', 'x'.repeat(4000), '%F0%9F%92%A9'])('an odd name %s is not found', async (name) => {
  expect(await api.call({ url: `/1.0/operations/${name}` })).toMatchObject(failure(404, 'Operation not found'))
})

test('a URL that cannot be decoded is 400', async () => {
  expect(await api.call({ url: '/1.0/operations/%zz' })).toMatchObject(failure(400, expect.any(String)))
})

const GUARDED = ['/1.0/operations', '/1.0/events', '/1.0/auth/tokens', '/jobs/x', '/1.0/metrics', '/1.0/instances']

test.each(GUARDED)('%s needs a token that is valid', async (url) => {
  for (const token of [undefined, 'wrong', `${ADMIN_TOKEN}x`])
    expect(await api.callAs(token, { url })).toMatchObject(failure(403, 'not authorized'))
})

test.each(['/', '/1.0', '/healthz', '/readyz', '/docs', '/openapi.json'])('%s is open', async (url) => {
  expect((await api.callAs(undefined, { url })).status).toBe(200)
})

test('what fails inside is not told', async () => {
  // These tests have no instances.
  const { status, body } = await api.call({ url: '/1.0/metrics' })
  expect({ status, body }).toMatchObject(failure(500, 'Internal error'))
})

test('while Redis is away answers carry a warning, later all but health is 503', async () => {
  api.freshness = 'stale'
  expect((await api.call({ url: '/1.0' })).headers['warning']).toMatch(/^110 /)
  api.freshness = 'lost'
  const lost = await api.call({ url: '/1.0/operations' })
  expect(lost).toMatchObject(failure(503, 'Redis does not answer'))
  expect(lost.headers['retry-after']).toBe('1')
  expect((await api.callAs(undefined, { url: '/healthz' })).status).toBe(200)
  api.freshness = 'fresh'
})

test('answers carry the headers that keep browsers careful', async () => {
  const { headers } = await api.call({ url: '/1.0' })
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff' })
  expect(headers['content-security-policy']).toContain("default-src 'none'")
  expect(headers['access-control-allow-origin']).toBeUndefined()
})

test('the pages at /docs may run their own scripts and call the API', async () => {
  const { headers, body } = await api.callAs(undefined, { url: '/docs' })
  expect(headers['content-security-policy']).toMatch(/script-src 'self'.*/)
  expect(headers['content-security-policy']).toContain("connect-src 'self'")
  expect(body).toContain('swagger-ui')
})

test('over the unix socket no token is needed; what is not HTTP gets an envelope', async () => {
  const path = join(tmpdir(), `windlass-${randomUUID()}.sock`)
  const server = createServer((request, response) => api.app.routing(request, response))
  server.on('connection', trustSocket)
  server.on('clientError', (error, socket) => void api.app.server.emit('clientError', error, socket))
  await new Promise<void>((resolve) => {
    server.listen(path, resolve)
  })
  try {
    expect(await exchange(path, 'GET /1.0/auth/tokens HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 200 OK[\s\S]*\/1\.0\/auth\/tokens\/admin/,
    )
    expect(await exchange(path, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request[\s\S]*"error_code":400/)
  } finally {
    await new Promise((resolve) => {
      server.close(resolve)
    })
  }
})

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(path, () => socket.write(request))
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}
