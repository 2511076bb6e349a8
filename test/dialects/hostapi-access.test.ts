import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { base64, hostapi, pkOf, refused, STAYS } from './hostapi-kit.ts'

// Bad input, who may ask, repeats, time-outs, health, and a client of the manual's time over HTTP.

let windlass: TestWindlass
const { ask, read, send, remove, make, start, list, clear } = hostapi(() => windlass)
const TOKEN = 'the-token-of-the-hostapi-tests'

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  await publishStarterImage(windlass.socket, '/bin/busybox')
})

afterAll(() => windlass?.[Symbol.asyncDispose]())
afterEach(clear)

const NO_BODY = refused(400, null)
const BAD_CONTAINER = 'Invalid container specification'

describe('bad input', () => {
  test('bodies that are none, or no objects', async () => {
    const pk = await make('n1')
    const paths = [
      '/containers',
      '/containers/images',
      ...['clone', 'exec', 'snapshots'].map((at) => `/containers/${pk}/${at}`),
    ]
    for (const path of paths)
      for (const body of ['{bad', '', 'null', '[]', '"text"', '{"a":1}{']) await send(path, NO_BODY, Buffer.from(body))
    // Bodies that nobody asked for.
    await send(`/containers/${pk}/start`, 204, Buffer.from('{bad'))
    await send(`/containers/${pk}/stop`, 204, Buffer.from('[1]'))
    expect(await list('/containers')).toHaveLength(1)
  })

  test('fields that are missing or wrong', async () => {
    const good = { name: 'n1', image: 'busybox', command: '' }
    const faults = [
      { name: undefined },
      { image: 1 },
      { command: null },
      { name: '' },
      { name: 'a b' },
      { name: '../x' },
    ]
    for (const fault of faults) await send('/containers', refused(422, BAD_CONTAINER), { ...good, ...fault })
    await send('/containers', refused(422, BAD_CONTAINER), { ...good, name: 'a'.repeat(64) })
    await send('/containers', refused(422, BAD_CONTAINER, expect.stringContaining('quote')), { ...good, command: '"' })
    await send('/containers', refused(404, 'Container image not found'), { ...good, image: 'no such image' })
    const user = { username: 'u', uid: 1, name: 'n1', image: 'busybox' }
    const wrong = [
      { uid: '1' },
      { uid: null },
      { image: null },
      { clone_of: 'x' },
      { ports: [{ external: 0, internal: 80 }] },
    ]
    for (const fault of wrong) await send('/containers', refused(422, BAD_CONTAINER), { ...user, ...fault })
    const ports = [{ address: '10.0.0', external: 80, internal: 80 }]
    await send('/containers', refused(422, BAD_CONTAINER, expect.any(String)), { ...user, ports })
    const volumes = [{ source: 'not/absolute', target: '/x' }]
    await send('/containers', refused(422, BAD_CONTAINER, expect.any(String)), { ...user, volumes })
    // What only the engine knows is told when it has tried.
    await send('/containers', refused(422, expect.stringContaining('Missing source path "/not/there" for disk')), {
      ...user,
      volumes: [{ source: '/not/there', target: '/x' }],
    })
    await send('/containers', refused(422, 'Failed to listen on 192.0.2.1:8080: cannot assign requested address'), {
      ...user,
      ports: [{ address: '192.0.2.1', external: 8080, internal: 80 }],
    })
    expect(await list('/containers')).toEqual([])
    const pk = await start('n1')
    for (const body of [{}, { command: '' }, { command: '  ' }, { command: ['ls'] }])
      await send(`/containers/${pk}/exec`, refused(422, 'Command missing'), body)
    await send(`/containers/${pk}/exec`, 422, { command: "'" })
    for (const name of [undefined, 1, '', 'a/b', 'a b'])
      await send(
        `/containers/${pk}/snapshots`,
        [422, expect.objectContaining({ error: 'Invalid snapshot specification' })],
        { name },
      )
    await send('/containers/images', refused(422, 'Invalid image specification'), { container: pk })
    await send('/containers/images', refused(404, 'Container not found'), { container: 'nobody', name: 'i' })
    await send(`/containers/${pk}/clone`, refused(422, BAD_CONTAINER), {})
  })

  test('ids that nobody has, paths and methods that are not there, too much', async () => {
    for (const id of ['deadbeef', 'ZGVhZGJlZWY=', '%00', '..%2f..', 'a'.repeat(4000)]) {
      await read(`/containers/${id}`, refused(404, 'Container not found'))
      for (const path of ['start', 'stop', 'restart', 'suspend', 'resume', 'snapshots/x/restore'])
        await send(`/containers/${id}/${path}`, refused(404, 'Container not found'), {})
      await send(`/containers/${id}/exec`, refused(404, 'Container not found'), { command: 'ls' })
      for (const path of ['logs', 'public_key', 'snapshots', 'snapshots/x'])
        await read(`/containers/${id}/${path}`, refused(404, 'Container not found'))
      await remove(`/containers/${id}`, refused(404, 'Container not found'))
      await remove(`/containers/images/${id}`, refused(404, 'Container image not found'))
      await remove(`/containers/snapshots/${id}`, refused(404, 'Container snapshot not found'))
    }
    await read('/containers/x/nothing', refused(404, 'Not found'))
    const { headers } = await ask('PUT', '/containers/x', refused(405, 'Method not allowed'), {})
    expect(headers.allow).toMatch(/GET/)
    await ask('PATCH', '/health', 405, {})
    await send('/containers', 413, Buffer.alloc(2 ** 21, 0x20))
    expect((await windlass.call('HEAD', '/containers')).status).toBe(200)
  })
})

interface Said {
  status: number
  text: string
}

/** Over HTTP, with these headers. */
function say(
  url: string | undefined,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { method, headers, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => (text += String(chunk)))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const basic = (secret: string): string => `Basic ${base64(`x:${secret}`)}`

async function token(role: string, projects?: string[]): Promise<string> {
  const body = { name: `t-${role}-${projects?.join('-') ?? 'all'}`, role, ...(projects && { projects }) }
  const made = await windlass.call('POST', '/1.0/auth/tokens', body)
  expect(made.text).toContain('wl_')
  return String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
}

describe('access', () => {
  test('a token as Bearer or as the password of Basic; nothing without', async () => {
    const { url } = windlass.api
    for (const authorization of [`Bearer ${TOKEN}`, basic(TOKEN)])
      expect(await say(url, '/containers', { authorization })).toEqual({ status: 200, text: '[]' })
    for (const authorization of ['', 'Bearer wrong', basic('wrong'), basic(''), 'Digest x'])
      for (const path of ['/containers', '/containers/x', '/containers/images', '/status'])
        expect(await say(url, path, authorization === '' ? {} : { authorization }), `${authorization} ${path}`).toEqual(
          {
            status: 401,
            text: '{"error":"not authorized"}',
          },
        )
  })

  test('roles: a viewer only reads, an operator takes no host paths, a project is a wall', async () => {
    const { url } = windlass.api
    const pk = await make('n1')
    const viewer = { authorization: `Bearer ${await token('viewer')}` }
    expect((await say(url, `/containers/${pk}`, viewer)).status).toBe(200)
    for (const action of ['start', 'stop', 'snapshots/x/restore'])
      expect((await say(url, `/containers/${pk}/${action}`, viewer, 'POST')).status).not.toBe(204)
    expect(await say(url, `/containers/${pk}/start`, viewer, 'POST')).toMatchObject({ status: 403 })
    const elsewhere = { authorization: `Bearer ${await token('operator', ['other'])}` }
    expect(await say(url, '/containers', elsewhere)).toEqual({ status: 200, text: '[]' })
    expect((await say(url, `/containers/${pk}`, elsewhere)).status).toBe(404)
    const secret = await token('operator')
    const volumes = [{ source: '/etc', target: '/host' }]
    const order = JSON.stringify({ username: 'u', uid: 1, name: 'n2', image: 'busybox', volumes })
    const answer = await fetch(`${url}/containers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
      body: order,
    })
    expect(answer.status).toBe(403)
  })

  test('opened: an operator on loopback, and nobody that a browser was led here as', async () => {
    const opened = await windlass.startApi({ WINDLASS_OPEN_DIALECTS: 'hostapi', WINDLASS_DIALECTS: 'hostapi=/old' })
    expect(await say(opened.url, '/old/containers')).toEqual({ status: 200, text: '[]' })
    // Its client asks here for the status, and has no token.
    expect((await say(opened.url, '/old/health')).status).toBe(200)
    const led: [string, string][] = [
      ['origin', 'http://evil.example'],
      ['sec-fetch-site', 'cross-site'],
      ['host', 'evil.example'],
    ]
    for (const [name, value] of led)
      expect(await say(opened.url, '/old/containers', { [name]: value })).toMatchObject({ status: 401 })
    expect((await say(opened.url, '/old/containers', { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await say(opened.url, '/old/nothing')).status).toBe(404)
    expect((await say(opened.url, '/1.0/instances')).status).toBe(403)
    const answer = await fetch(`${opened.url}/old/containers`, {
      method: 'POST',
      body: JSON.stringify({ name: 'n1', image: 'busybox', command: STAYS }),
    })
    expect(answer.headers.get('location')).toBe(`/old/containers/${pkOf({ body: await answer.json() })}`)
  })
})

/** Asks twice with the same key; both answers. */
async function twice(key: string, path: string, body?: object): Promise<{ status: number; text: string }[]> {
  const answers = []
  for (let times = 0; times < 2; times++) {
    const { status, text } = await windlass.call('POST', path, body, { 'idempotency-key': key })
    answers.push({ status, text })
  }
  return answers
}

test('a repeat with the same Idempotency-Key gets the same answer and does nothing', async () => {
  const headers = { 'idempotency-key': 'k1' }
  const order = { name: 'n1', image: 'busybox', command: STAYS }
  const again = (path: string, body?: object) => windlass.call('POST', path, body, headers)
  const first = await again('/containers', order)
  expect(first.status).toBe(201)
  expect(await again('/containers', order)).toMatchObject({
    status: 201,
    body: first.body,
    headers: { location: first.headers.location },
  })
  expect(await again('/containers', { ...order, name: 'n2' })).toMatchObject({
    status: 422,
    body: { error: expect.any(String) },
  })
  expect(await list('/containers')).toHaveLength(1)
  const started = { status: 204, text: '' }
  expect(await twice('k2', '/containers/n1/start')).toEqual([started, started])
  const counting = { command: 'sh -c "echo x >> /count; cat /count"' }
  const counted = { status: 200, text: '"x\\n"' }
  expect(await twice('k3', '/containers/n1/exec', counting)).toEqual([counted, counted])
  const [snapshot, sameSnapshot] = await twice('k4', '/containers/n1/snapshots', { name: 's1' })
  expect(snapshot).toEqual({ status: 201, text: sameSnapshot?.text })
  const user = { username: 'u', uid: 1, name: 'n3', cmd: STAYS, clone_of: 'n1' }
  const [cloned, sameClone] = await twice('k5', '/containers', user)
  expect(cloned?.status).toBe(201)
  expect(JSON.parse(sameClone?.text ?? '')).toMatchObject({
    container: { Names: ['/coco-u1-n3'] },
    image: JSON.parse(cloned?.text ?? '').image,
  })
  const images = await list('/containers/images')
  expect(images).toHaveLength(2)
})

test('what takes too long is 504 with the operation, and goes on', async () => {
  const { socket } = await windlass.startApi({ WINDLASS_SYNC_WAIT: '1' })
  const pk = await start('n1')
  const body = { command: 'sh -c "sleep 3; touch /went-on"' }
  const answer = await callApi(socket, { method: 'POST', path: `/containers/${pk}/exec`, body })
  expect(answer).toMatchObject({ status: 504, body: { error: expect.any(String) } })
  expect(answer.headers.location).toMatch(/^\/1\.0\/operations\//)
  await windlass.call('GET', `${answer.headers.location}/wait?timeout=30`)
  await send(`/containers/${pk}/exec`, [200, '/went-on\n'], { command: 'ls /went-on' })
})

test('a client of the manual’s time, over HTTP with the token in its URL', async () => {
  const script = fileURLToPath(new URL('clients/hostapi.mjs', import.meta.url))
  const url = String(windlass.api.url).replace('http://', `http://x:${TOKEN}@`)
  const { stdout } = await promisify(execFile)(process.execPath, [script, url])
  expect(stdout).toMatch(/done\n$/)
})

test('health and status, with a token and without, also when nobody works', async () => {
  const { url } = windlass.api
  const number = expect.any(Number)
  const used = { total: number, used: number, free: number, percent: number }
  const status = {
    backends: { container: { status: 0 } },
    resources: {
      cpu: { count: number, usage: number },
      disk: used,
      memory: { ...used, available: number },
      swap: { ...used, sin: number, sout: number },
    },
  }
  const { body } = await read('/status', [200, status])
  const memory = fieldOf(fieldOf(body, 'resources'), 'memory')
  expect(Number(fieldOf(memory, 'total'))).toBeGreaterThan(Number(fieldOf(memory, 'available')))
  for (const path of ['/health', '/health/', '/status/']) await read(path, [200, status])
  const bearer = { authorization: `Bearer ${TOKEN}` }
  expect(JSON.parse((await say(url, '/health', bearer)).text)).toEqual(status)
  for (const headers of [{}, { authorization: 'Bearer wrong' }])
    expect(await say(url, '/health', headers as Record<string, string>)).toEqual({ status: 204, text: '' })
  for (const worker of windlass.workers) worker.kill('SIGTERM')
  await expect
    .poll(() => say(url, '/health'), { timeout: 60_000 })
    .toEqual({ status: 503, text: '{"error":"Not able to work"}' })
  expect(JSON.parse((await say(url, '/health', bearer)).text)).toMatchObject({ backends: { container: { status: 1 } } })
})
