import { mkdtemp, rm } from 'node:fs/promises'
import { request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { ensureServerCertificate } from '../../src/setup/server-certificate.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { sendRaw, type HttpAnswer } from './curl-recorded.ts'
import { documentOf } from './documented.ts'

// What lwp, vzapi and vz have in common: who may do what, containers made by others, odd requests, and what is away.

const ADMIN = 'the-admin-token-of-this-test'
const TEXT = expect.any(String)
const IPV4 = expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/)

const DIALECTS = {
  lwp: { root: '/api/v1', check: documentOf('lwp'), refusal: () => ({ error: TEXT, status: 'error' }) },
  vzapi: {
    root: '/v0.1',
    check: documentOf('vzapi'),
    refusal: (status: number) => ({ code: status < 500 ? 100 : 200, message: TEXT }),
  },
  vz: {
    root: '/1.0/vz',
    check: documentOf('vz'),
    refusal: (status: number) => ({
      type: 'error',
      error: 'failure',
      error_code: status,
      metadata: expect.objectContaining({ message: TEXT }),
    }),
  },
}
type Name = keyof typeof DIALECTS
type Request = [dialect: Name, method: string, path: string, body?: object]

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: ADMIN } })
  await publishStarterImage(windlass.socket, '/bin/busybox')
  await importTinyImage(windlass.engine.socket)
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

interface How {
  token?: string
  url?: string | undefined
  headers?: Record<string, string>
}

/** Asks over HTTP; the answer is as its document says, a refusal in the dialect's own shape. */
async function ask(
  [name, method, path, body]: Request,
  { token = ADMIN, url, headers }: How = {},
): Promise<HttpAnswer> {
  const { root, check, refusal } = DIALECTS[name]
  const answer = await sendRaw(url ?? String(windlass.api.url), {
    method,
    path: root + path,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const said = `${method} ${root}${path}: ${answer.status} ${answer.text}`
  expect(answer.headers['content-type'], said).toBe('application/json')
  check(method, root + path, answer)
  if (answer.status >= 400) expect(answer.body, said).toEqual(refusal(answer.status))
  return answer
}

/** The status of each, beside what was asked. */
async function statuses(requests: readonly Request[], how: How = {}): Promise<string[]> {
  const found: string[] = []
  for (const request of requests) found.push(saying(request, (await ask(request, how)).status))
  return found
}

const saying = ([name, method, path]: Request, status: number): string => `${name} ${method} ${path} ${status}`

/** Each is answered with the status before it. */
async function expectEach(rows: readonly [status: number, ...Request][], how: How = {}): Promise<void> {
  const wanted = rows.map(([status, ...request]) => saying(request, status))
  const requests = rows.map(([, ...request]) => request)
  expect(await statuses(requests, how)).toEqual(wanted)
}

async function done(request: Request): Promise<unknown> {
  const { status, headers, body } = await ask(request)
  if (status === 202 && headers['location'] !== undefined)
    return windlass.call('GET', `${String(headers['location'])}/wait?timeout=60`)
  expect(status, saying(request, status)).toBe(200)
  return body
}

async function make(name: string): Promise<void> {
  await done(['lwp', 'PUT', '/containers/', { name, template: 'busybox' }])
}

async function tokenOf(role: string, projects?: string[]): Promise<string> {
  const body = { name: `t-${role}-${projects?.join('-') ?? 'all'}`, role, ...(projects && { projects }) }
  const made = await windlass.call('POST', '/1.0/auth/tokens', body)
  return String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
}

/** A container that somebody made with Docker; it runs. */
async function makeForeign(name: string, more: object = {}): Promise<void> {
  const body = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'], ...more }
  const { socket } = windlass.engine
  expect((await askEngine(socket, 'POST', `/containers/create?name=${name}`, body)).status).toBe(201)
  expect((await askEngine(socket, 'POST', `/containers/${name}/start`)).status).toBe(204)
  await expect.poll(async () => (await ask(['lwp', 'GET', '/containers'])).text).toContain(`"${name}"`)
}

const READS: readonly Request[] = [
  ['lwp', 'GET', '/containers/'],
  ['lwp', 'GET', '/containers/mine'],
  ['vzapi', 'GET', '/containers/'],
  ['vzapi', 'GET', '/containers/mine'],
  ['vz', 'GET', ''],
  ['vz', 'GET', '/mine'],
  ['vz', 'GET', '/mine/state'],
]
const CHANGES: readonly Request[] = [
  ['lwp', 'PUT', '/containers/', { name: 'new', template: 'busybox' }],
  ['lwp', 'PUT', '/containers/', { name: 'new', template: 'no-such-image' }],
  ['lwp', 'PUT', '/containers/', { name: 'new', clone: 'mine' }],
  ['lwp', 'POST', '/containers/mine', { action: 'start' }],
  ['lwp', 'POST', '/containers/mine', { action: 'stop' }],
  ['lwp', 'DELETE', '/containers/mine'],
  ['lwp', 'POST', '/tokens', { token: 'chosen-by-somebody' }],
  ['lwp', 'DELETE', '/tokens/chosen-by-somebody'],
  ['vzapi', 'POST', '/containers/', { name: 'new', ostemplate: 'busybox' }],
  ['vzapi', 'PATCH', '/containers/mine', { parameters: { cpus: '1' } }],
  ['vzapi', 'DELETE', '/containers/mine'],
  ['vz', 'POST', '/700', { hostname: 'new', source: { type: 'none' } }],
  ['vz', 'PUT', '/mine', { config: {} }],
  ['vz', 'PUT', '/mine/state', { action: 'start' }],
  ['vz', 'PUT', '/mine/state', { action: 'stop' }],
  ['vz', 'DELETE', '/mine'],
]

describe('who may do what', () => {
  beforeAll(() => make('mine'))

  test('a viewer reads everything and changes nothing', async () => {
    const token = await tokenOf('viewer')
    expect(await statuses(READS, { token })).toEqual(READS.map((request) => saying(request, 200)))
    expect(await statuses(CHANGES, { token })).toEqual(CHANGES.map((request) => saying(request, 403)))
  })

  test('a token of another project finds nothing, one of `default` nothing made by others', async () => {
    await makeForeign('elsewhere')
    const token = await tokenOf('operator', ['other'])
    for (const [name, list] of [
      ['lwp', '[]'],
      ['vzapi', '{"message":"success","containers":[]}'],
      ['vz', '{"type":"sync","status":"success","status_code":200,"metadata":[]}'],
    ] as const)
      expect((await ask([name, 'GET', name === 'vz' ? '' : '/containers/'], { token })).text).toBe(list)
    await expectEach(
      [
        [404, 'lwp', 'GET', '/containers/mine'],
        [409, 'lwp', 'POST', '/containers/mine', { action: 'start' }],
        [400, 'lwp', 'DELETE', '/containers/mine'],
        [404, 'lwp', 'PUT', '/containers/', { name: 'new', template: 'busybox' }],
        [403, 'lwp', 'DELETE', `/tokens/${ADMIN}`],
        [404, 'vzapi', 'GET', '/containers/mine'],
        [404, 'vzapi', 'POST', '/containers/', { name: 'new', ostemplate: 'busybox' }],
        [404, 'vzapi', 'DELETE', '/containers/mine'],
        [404, 'vz', 'GET', '/mine'],
        [404, 'vz', 'POST', '/700', { hostname: 'new', source: { type: 'none' } }],
        [404, 'vz', 'DELETE', '/mine'],
      ],
      { token },
    )
    const here = await tokenOf('operator', ['default'])
    expect((await ask(['lwp', 'GET', '/containers/'], { token: here })).body).toEqual([
      { container: 'mine', state: 'stopped' },
    ])
    await expectEach(
      [
        [404, 'lwp', 'GET', '/containers/elsewhere'],
        [404, 'vzapi', 'GET', '/containers/elsewhere'],
        [404, 'vz', 'GET', '/elsewhere'],
        [200, 'vzapi', 'PATCH', '/containers/mine', { parameters: {} }],
      ],
      { token: here },
    )
  })

  test('who is not known is asked for a password; what a browser sends on its own for another site is no password', async () => {
    const basic = { authorization: `Basic ${btoa(`x:${ADMIN}`)}` }
    for (const request of READS) {
      const { status, headers } = await ask(request, { token: 'wrong' })
      expect([status, headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Basic realm=/)])
      expect((await ask(request, { headers: basic })).status).toBe(200)
      for (const led of [{ origin: 'http://elsewhere.example' }, { 'sec-fetch-site': 'cross-site' }]) {
        expect((await ask(request, { headers: { ...basic, ...led } })).status).toBe(401)
        expect((await ask(request, { headers: led })).status).toBe(200)
      }
    }
  })

  test('who guesses tokens has to wait; who is known has not', async () => {
    const { url } = await windlass.startApi()
    const lists = READS.filter(([, , path]) => !path.includes('mine'))
    for (const request of lists) expect((await ask(request, { url })).status).toBe(200)
    const guess = (request: Request) => ask(request, { url, token: 'a-guess' })
    await expect
      .poll(async () => (await guess(['lwp', 'GET', '/containers'])).status, { interval: 0, timeout: 30_000 })
      .toBe(429)
    for (const request of lists) {
      const { status, headers } = await guess(request)
      expect([status, headers['retry-after']]).toEqual([
        request[0] === 'vz' ? 503 : 429,
        expect.stringMatching(/^\d+$/),
      ])
      expect((await ask(request, { url })).status).toBe(200)
    }
  })

  test('over HTTPS a client shows its certificate', async () => {
    const url = String((await windlass.startApi({ WINDLASS_HTTPS: '127.0.0.1:0' })).https)
    const folder = await mkdtemp(join(tmpdir(), 'windlass-client-'))
    // It is made like the server's.
    const { key, certificate } = await ensureServerCertificate(folder)
    await rm(folder, { recursive: true })
    const over = (path: string, shown: object, headers = {}): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = requestHttps(
          url + path,
          { ...shown, headers, agent: false, rejectUnauthorized: false },
          (answer) => resolve(answer.resume().statusCode ?? 0),
        )
        sent.on('error', reject).end()
      })
    const mine = { key, cert: certificate }
    const paths = READS.map(([name, , path]) => DIALECTS[name].root + path)
    for (const path of paths) expect(await over(path, mine)).toBe(401)
    const trusted = await windlass.call('POST', '/1.0/certificates', { name: 'vz', type: 'client', certificate })
    expect(trusted.status, trusted.text).toBe(201)
    for (const path of paths) {
      await expect.poll(() => over(path, mine)).toBe(200)
      expect(await over(path, {})).toBe(401)
      expect(await over(path, mine, { origin: 'https://elsewhere.example' })).toBe(401)
      expect(await over(path, mine, { authorization: 'Bearer wrong' })).toBe(401)
    }
  })

  test('an operator does not start what is as good as the host', async () => {
    await makeForeign('mighty', { HostConfig: { Binds: ['/:/host'] } })
    const token = await tokenOf('operator')
    await expectEach(
      [
        [403, 'lwp', 'POST', '/containers/mighty', { action: 'stop' }],
        [403, 'vz', 'PUT', '/mighty/state', { action: 'stop' }],
        [200, 'lwp', 'GET', '/containers/mighty'],
      ],
      { token },
    )
  })
})

describe('containers made by others', () => {
  test('are shown with their figures, started and stopped', async () => {
    await makeForeign('made_by.others')
    expect((await ask(['lwp', 'GET', '/containers/made_by.others'])).body).toMatchObject({
      name: 'made_by.others',
      state: 'RUNNING',
      pid: expect.stringMatching(/^\d+$/),
      ip: IPV4,
      link: 'bridge',
      memory_use: expect.stringMatching(/^\d+(\.\d\d)? ([KM]iB|bytes)$/),
    })
    const { container } = Object((await ask(['vzapi', 'GET', '/containers/made_by.others'])).body)
    expect(container).toMatchObject({ name: 'made_by.others', ostemplate: TINY_IMAGE, parameters: null })
    expect((await ask(['vzapi', 'GET', `/containers/${String(fieldOf(container, 'id'))}`])).body).toEqual({
      message: 'success',
      container,
    })
    const shown = Object((await ask(['vz', 'GET', '/made_by.others'])).body).metadata
    expect(shown).toMatchObject({
      hostname: 'made_by.others',
      status: { status: 'Running', machine: [{ ip_address: IPV4, cpu_load: expect.stringMatching(/^\d+%$/) }] },
    })
    await done(['lwp', 'POST', '/containers/made_by.others', { action: 'stop' }])
    await done(['vz', 'PUT', `/${shown.ctid}/state`, { action: 'start' }])
    expect((await ask(['vz', 'GET', `/${shown.ctid}/state`])).body).toMatchObject({ metadata: { status: 'Running' } })
  })

  test('everything else is refused', async () => {
    await makeForeign('foreign')
    await expectEach([
      [403, 'lwp', 'POST', '/containers/foreign', { action: 'freeze' }],
      [403, 'lwp', 'DELETE', '/containers/foreign'],
      [403, 'lwp', 'PUT', '/containers/', { name: 'copied', clone: 'foreign' }],
      [409, 'lwp', 'PUT', '/containers/', { name: 'foreign', template: 'busybox' }],
      [403, 'vzapi', 'PATCH', '/containers/foreign', { parameters: { cpus: '1' } }],
      [403, 'vzapi', 'DELETE', '/containers/foreign'],
      [422, 'vzapi', 'POST', '/containers/', { name: 'foreign', ostemplate: 'busybox' }],
      [403, 'vz', 'PUT', '/foreign', { config: {} }],
      [403, 'vz', 'PUT', '/foreign', { restore: 's0' }],
      [403, 'vz', 'PUT', '/foreign/state', { action: 'restart' }],
      [403, 'vz', 'DELETE', '/foreign'],
      [403, 'vz', 'POST', '/701', { hostname: 'copied', source: { type: 'copy', source: 'foreign' } }],
    ])
  })
})

describe('odd requests', () => {
  test('an id that is empty is none: the path is the collection’s', async () => {
    await expectEach([
      [405, 'lwp', 'DELETE', '/containers/'],
      [405, 'lwp', 'POST', '/containers/', { action: 'start' }],
      [405, 'lwp', 'DELETE', '/tokens/'],
      [405, 'vzapi', 'DELETE', '/containers/'],
      [405, 'vzapi', 'PATCH', '/containers/', { parameters: {} }],
      [404, 'vzapi', 'GET', '/jobs/'],
      [405, 'vz', 'POST', '/', { hostname: 'a', source: { type: 'none' } }],
      [405, 'vz', 'DELETE', '/'],
      [404, 'vz', 'GET', '//state'],
    ])
    expect((await ask(['vz', 'PUT', '/', {}])).headers['allow']).toBe('GET')
  })

  test('JSON is read whatever is said of its type', async () => {
    for (const type of [
      'garbage',
      'json',
      'application/json, text/plain',
      'text/xml',
      ';',
      'application/json; charset=x',
    ])
      for (const request of [
        ['lwp', 'PUT', '/containers/', { name: 'mine', template: 'busybox' }],
        ['vzapi', 'POST', '/containers/', { name: '', ostemplate: 'busybox' }],
        ['vz', 'POST', '/0', { hostname: 'x', source: { type: 'none' } }],
      ] satisfies Request[]) {
        const answer = await ask(request, { headers: { 'content-type': type } })
        expect([409, 400], `${type}: ${answer.text}`).toContain(answer.status)
        expect(answer.text).not.toContain('media type')
      }
  })

  test('a body that is announced as too large is refused although it does not come', async () => {
    const { port } = new URL(String(windlass.api.url))
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `POST /v0.1/containers/ HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${ADMIN}\r\ncontent-length: 9000000\r\n\r\n{`,
    )
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toMatch(/^HTTP\/1\.1 413 .*"code":100/s)
  })
})

describe('what goes on in the background', () => {
  test('vz cancels what has not ended; its number and host name are free then', async () => {
    const [worker] = windlass.workers
    worker?.kill('SIGSTOP')
    const creation: Request = ['vz', 'POST', '/800', { hostname: 'short', source: { type: 'none' } }]
    const accepted = await ask(creation)
    const path = String(accepted.headers['location']).slice('/1.0/vz'.length)
    const about = { resources: { containers: ['/1.0/vz/800'] } }
    expect((await ask(['vz', 'GET', path])).body).toMatchObject({
      metadata: { status: 'Pending', status_code: 105, may_cancel: true, ...about },
    })
    await expectEach([
      [404, 'vz', 'GET', '/800'],
      [409, 'vz', 'POST', '/800', { hostname: 'other', source: { type: 'none' } }],
      [409, 'vz', 'POST', '/801', { hostname: 'short', source: { type: 'none' } }],
    ])
    const token = await tokenOf('viewer', ['default'])
    expect((await ask(['vz', 'DELETE', path], { token })).status).toBe(403)
    expect((await ask(['vz', 'DELETE', `${path}/`])).body).toMatchObject({ type: 'sync', metadata: {} })
    worker?.kill('SIGCONT')
    expect((await ask(['vz', 'GET', `${path}/wait`])).body).toMatchObject({
      metadata: {
        status: 'Cancelled',
        status_code: 401,
        may_cancel: false,
        resources: { containers: [] },
        metadata: { error: TEXT },
      },
    })
    expect((await ask(['vz', 'DELETE', path])).status).toBe(400)
    await done(creation)
    expect((await ask(['vz', 'GET', '/800'])).body).toMatchObject({ metadata: { hostname: 'short' } })
    await done(['vz', 'DELETE', '/800'])
  })

  test('what takes too long is 504 with the operation’s URL, and goes on, also without its client', async () => {
    const url = (await windlass.startApi({ WINDLASS_SYNC_WAIT: '1' })).url
    await make('slow')
    const [worker] = windlass.workers
    worker?.kill('SIGSTOP')
    const late = await ask(['vzapi', 'PATCH', '/containers/slow', { parameters: { description: 'patient' } }], { url })
    expect(late.status).toBe(504)
    expect(late.headers['location']).toMatch(/^\/1\.0\/operations\/[0-9a-f-]{36}$/)
    const { status, headers } = await ask(['vzapi', 'DELETE', '/containers/slow'], { url })
    expect([status, headers['location']]).toEqual([409, late.headers['location']])
    worker?.kill('SIGCONT')
    await windlass.call('GET', `${String(late.headers['location'])}/wait?timeout=60`)
    expect((await windlass.call('GET', '/1.0/instances/slow')).text).toContain('"description":"patient"')

    worker?.kill('SIGSTOP')
    const leaving = new AbortController()
    const left = fetch(`${windlass.api.url}/api/v1/containers/slow`, {
      method: 'POST',
      body: '{"action":"start"}',
      headers: { 'private-token': ADMIN },
      signal: leaving.signal,
    }).catch(() => 'left')
    await expect.poll(async () => (await windlass.call('GET', '/1.0/operations')).text).toContain('pending')
    leaving.abort()
    expect(await left).toBe('left')
    worker?.kill('SIGCONT')
    await expect
      .poll(async () => (await ask(['lwp', 'GET', '/containers/slow'])).text, { timeout: 30_000 })
      .toContain('"RUNNING"')
    await done(['lwp', 'DELETE', '/containers/slow'])
  })
})

test('vz finds an image by alias, fingerprint, the beginning of one, release and properties', async () => {
  const { body } = await windlass.call('GET', '/1.0/images/aliases/busybox')
  const fingerprint = String(fieldOf(fieldOf(body, 'metadata'), 'target'))
  const sources = [
    { alias: 'busybox' },
    { fingerprint },
    { fingerprint: fingerprint.slice(0, 12) },
    { properties: { os: 'busybox' } },
    { properties: { os: 'BusyBox', description: 'BusyBox starter image' } },
    { properties: { description: 'BusyBox starter image' } },
  ]
  for (const [at, source] of sources.entries()) {
    await done(['vz', 'POST', `/${900 + at}`, { hostname: `image${at}`, source: { type: 'image', ...source } }])
    expect((await windlass.call('GET', `/1.0/instances/image${at}`)).text).toContain(fingerprint)
    await done(['vz', 'DELETE', `/${900 + at}`])
  }
  for (const source of [
    { fingerprint: 'ffff' },
    { alias: 'nothing' },
    { properties: { os: 'BusyBox', description: 'other' } },
  ])
    await expectEach([[404, 'vz', 'POST', '/950', { hostname: 'none', source: { type: 'image', ...source } }]])
})

test('while Redis is away reading goes on and changes are 503', async () => {
  await make('mine').catch(() => undefined)
  const numbers = await ask(['vz', 'GET', ''])
  windlass.redis.freeze()
  try {
    await expect.poll(async () => (await ask(['vz', 'GET', ''])).headers['warning']).toMatch(/^110 /)
    expect((await ask(['vz', 'GET', ''])).body).toEqual(numbers.body)
    // It can get no number now.
    await makeForeign('unnumbered')
    expect((await ask(['vz', 'GET', ''])).body).toEqual(numbers.body)
    expect(await statuses(READS)).toEqual(READS.map((request) => saying(request, 200)))
    for (const request of CHANGES.filter(([, , , body]) => !JSON.stringify(body ?? '').match(/stop|no-such/))) {
      const { status, headers } = await ask(request)
      expect(saying(request, status)).toBe(saying(request, 503))
      expect(headers['retry-after']).toBe('1')
    }
  } finally {
    windlass.redis.thaw()
  }
})
