import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { createDockerEngine } from '../../../src/engine/docker/connect.ts'
import { createWire, type WireOptions } from '../../../src/engine/docker/engine-wire.ts'
import { route } from '../../../src/engine/docker/requests.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

const opened: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

/** A server that answers like an engine of this API version and gives every other call to `handle`. */
async function fakeEngine(handle: Handle, api = '1.45', oldest = '1.24'): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'wl-fake-'))
  const socket = join(directory, 's')
  const server = createServer((request, response) => {
    if (request.url !== '/version') return handle(request, response)
    response.end(JSON.stringify({ Version: 'fake', ApiVersion: api, MinAPIVersion: oldest }))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  opened.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(directory, { recursive: true, force: true })
  })
  return `unix://${socket}`
}

function wireTo(dockerHost: string, more: Partial<WireOptions> = {}) {
  const wire = createWire({ member: 'm', deployment: 'd', dockerHost, ...more })
  opened.push(async () => wire.close())
  return wire
}

const get = (path: string) => ({ doing: 'trying', method: 'GET', path }) as const

test('speaks the newest version both know, values encoded', async () => {
  const seen: string[] = []
  const answer: Handle = (request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''}`)
    response.end('{"ok":true}')
  }
  const old = wireTo(await fakeEngine(answer, '1.41'))
  expect((await old.ask({ ...get(route`/a/${'x/../y z'}`), query: { signal: 'RTMIN+3', all: true } })).body).toEqual({
    ok: true,
  })
  expect(await old.api()).toBe(41)
  await wireTo(await fakeEngine(answer, '1.99')).ask(get('/b'))
  expect(seen).toEqual(['GET /v1.41/a/x%2F..%2Fy%20z?signal=RTMIN%2B3&all=true', 'GET /v1.51/b'])
})

test.each([
  ['1.40', '1.12', 'too old'],
  ['1.60', '1.52', 'too new'],
])('refuses an engine of API %s from %s on', async (api, oldest, why) => {
  const host = await fakeEngine((_, response) => response.end(), api, oldest)
  await expect(wireTo(host).ask(get('/a'))).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining(why),
  })
})

test('an engine that is not there is unavailable, with what to do', async () => {
  const nowhere = join(tmpdir(), 'wl-no-such', 'docker.sock')
  const missing = { code: 'unavailable', message: expect.stringContaining(`no socket at ${nowhere}; start Docker`) }
  await expect(wireTo(`unix://${nowhere}`).ask(get('/a'))).rejects.toMatchObject(missing)
  const refused = { code: 'unavailable', message: expect.stringContaining('nothing answers at http://127.0.0.1:1') }
  await expect(wireTo('tcp://127.0.0.1:1').ask(get('/a'))).rejects.toMatchObject(refused)
  for (const host of ['', 'docker.sock', 'ssh://host', 'unix://relative', 'tcp://']) {
    expect(() => wireTo(host)).toThrow(expect.objectContaining({ code: 'bad-request' }))
  }
})

test('no answer ends in time: a call, a ping, a stream', async () => {
  const host = await fakeEngine((request, response) => {
    if (request.url?.includes('stream') === true) response.write('first')
  })
  const wire = wireTo(host, { timeouts: { answer: 50 } })
  await expect(wire.ask(get('/a'))).rejects.toMatchObject({ code: 'timeout' })
  const stream = await wire.stream(get('/stream'), 50)
  await expect(buffer(stream)).rejects.toMatchObject({ code: 'timeout' })
  const engine = createDockerEngine({ member: 'm', deployment: 'd', dockerHost: host })
  opened.push(() => engine.close())
  const start = performance.now()
  await expect(engine.ping()).rejects.toMatchObject({ code: 'unavailable' })
  expect(performance.now() - start).toBeLessThan(3_000)
})

test('a signal does not leave a call that changes something, but keeps it from being sent', async () => {
  let made = 0
  const control = new AbortController()
  const host = await fakeEngine((_, response) => {
    made += 1
    control.abort()
    setTimeout(() => response.end('{"Id":"x"}'), 20)
  })
  const wire = wireTo(host)
  const making = { doing: 'making', method: 'POST', path: '/a', isChange: true, signal: control.signal } as const
  expect((await wire.ask(making)).body).toEqual({ Id: 'x' })
  await expect(wire.ask(making)).rejects.toMatchObject({ code: 'cancelled' })
  expect(made).toBe(1)
})

test('a signal ends a call, one that waits for its turn, and a stream', async () => {
  const host = await fakeEngine((request, response) => {
    if (request.url?.includes('stream') === true) response.write('first')
  })
  const wire = wireTo(host, { concurrency: 1 })
  const control = new AbortController()
  const stream = await wire.stream({ ...get('/stream'), signal: control.signal })
  const calls = [wire.ask({ ...get('/a'), signal: control.signal }), wire.ask({ ...get('/b'), signal: control.signal })]
  setTimeout(() => control.abort(), 20)
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'cancelled' })
  await expect(buffer(stream)).rejects.toMatchObject({ code: 'cancelled' })
  await expect(wire.ask({ ...get('/c'), signal: control.signal })).rejects.toMatchObject({ code: 'cancelled' })
})

test('a lost connection is unavailable, before the answer and in its middle', async () => {
  const host = await fakeEngine((request, response) => {
    if (request.url?.includes('half') !== true) return void request.socket.destroy()
    response.writeHead(200, { 'content-length': 100 })
    response.write('{"a":', () => request.socket.destroy())
  })
  const wire = wireTo(host)
  await expect(wire.ask(get('/a'))).rejects.toMatchObject({ code: 'unavailable' })
  await expect(wire.ask(get('/half'))).rejects.toMatchObject({ code: 'unavailable' })
  await expect(wire.stream(get('/half')).then((stream) => buffer(stream))).rejects.toMatchObject({
    code: 'unavailable',
  })
})

test('what only reads is sent once more when the connection turns out to be dead, and nothing else', async () => {
  const seen: string[] = []
  const host = await fakeEngine((request, response) => {
    const { method = '', url = '', socket } = request
    seen.push(`${method} ${url.replace(/^\/v[\d.]+/, '')}`)
    if (seen.length % 2 === 0) socket.destroy()
    else response.end('{}')
  })
  const wire = wireTo(host)
  await wire.ask(get('/a'))
  expect((await wire.ask(get('/b'))).status).toBe(200)
  await expect(wire.ask({ doing: 'making', method: 'POST', path: '/c' })).rejects.toMatchObject({ code: 'unavailable' })
  expect(seen).toEqual(['GET /a', 'GET /b', 'GET /b', 'POST /c'])
})

test('no more calls at a time than said, but those that block', async () => {
  let now = 0
  let most = 0
  const host = await fakeEngine(async (request, response) => {
    if (request.url?.includes('block') === true) return
    most = Math.max(most, ++now)
    await delay(10)
    now--
    response.end('{}')
  })
  const wire = wireTo(host, { concurrency: 3 })
  const control = new AbortController()
  const blocked = Array.from({ length: 5 }, () =>
    wire.ask({ ...get('/block'), isBlocking: true, signal: control.signal, timeout: 0 }).catch(() => 'ended'),
  )
  await Promise.all(Array.from({ length: 12 }, () => wire.ask(get('/a'))))
  expect(most).toBe(3)
  control.abort()
  expect(await Promise.all(blocked)).toEqual(Array.from({ length: 5 }, () => 'ended'))
})

test('an upload that stops or breaks ends its call', async () => {
  const host = await fakeEngine((request, response) => {
    request.resume().on('end', () => response.end('{}'))
  })
  const wire = wireTo(host, { timeouts: { idle: 60 } })
  const put = (file: Readable) => wire.ask({ doing: 'sending', method: 'PUT', path: '/x', file })
  expect((await put(Readable.from([Buffer.from('a')]))).status).toBe(200)
  const silent = new Readable({ read: () => undefined })
  await expect(put(silent)).rejects.toMatchObject({ code: 'timeout' })
  expect(silent.destroyed).toBe(true)
  const broken = new Readable({ read: () => undefined })
  setTimeout(() => broken.destroy(new Error('disk')), 5)
  await expect(put(broken)).rejects.toMatchObject({ code: 'bad-request' })
  const dropped = new Readable({ read: () => undefined })
  setTimeout(() => dropped.destroy(), 5)
  await expect(put(dropped)).rejects.toMatchObject({ code: 'bad-request' })
})

test('what was sent as a whole is waited for like a change, unless it says for how long', async () => {
  const host = await fakeEngine((request) => void request.resume())
  const wire = wireTo(host, { timeouts: { change: 50, work: 100_000 } })
  const put = { doing: 'sending', method: 'PUT', path: '/x' } as const
  const whole = () => Readable.from([Buffer.from('a')])
  await expect(wire.ask({ ...put, file: whole() })).rejects.toMatchObject({ code: 'timeout' })
  const longer = wireTo(host, { timeouts: { change: 100_000, work: 50 } })
  const said = { ...put, file: whole(), timeout: longer.timeouts.work }
  await expect(longer.ask(said)).rejects.toMatchObject({ code: 'timeout' })
})

test('closing ends what is open', async () => {
  const wire = wireTo(await fakeEngine((_, response) => response.write('x')))
  const stream = await wire.stream(get('/stream'), 0)
  wire.close()
  await expect(buffer(stream)).rejects.toMatchObject({ code: 'unavailable' })
  await expect(wire.ask(get('/a'))).rejects.toMatchObject({ code: 'unavailable' })
})

test('what an engine is, is asked once', async () => {
  const seen: string[] = []
  const host = await fakeEngine((request, response) => {
    seen.push(request.url ?? '')
    response.end('{"NCPU":2}')
  })
  const engine = createDockerEngine({ member: 'm', deployment: 'd', dockerHost: host })
  opened.push(() => engine.close())
  expect(await engine.info()).toMatchObject({ cpus: 2, apiVersion: '1.45' })
  expect(await engine.info()).toMatchObject({ cpus: 2 })
  expect(seen).toEqual(['/v1.45/info'])
})

test('watching goes on over lost connections', async () => {
  let connections = 0
  const host = await fakeEngine((request, response) => {
    connections++
    response.write(deathOf(`c${connections}`), () => {
      if (connections === 1) request.socket.destroy()
    })
  })
  const engine = createDockerEngine({ member: 'm', deployment: 'd', dockerHost: host })
  opened.push(() => engine.close())
  const control = new AbortController()
  const seen: string[] = []
  await engine.watch(
    {
      onConnect: () => seen.push('connect'),
      onLost: () => seen.push('lost'),
      onEvent: ({ id }) => {
        seen.push(id)
        if (id === 'c2') control.abort()
      },
    },
    control.signal,
  )
  expect(seen).toEqual(['connect', 'c1', 'lost', 'connect', 'c2'])
})

function deathOf(id: string): string {
  return `${JSON.stringify({ Type: 'container', Action: 'die', Actor: { ID: id } })}\n`
}
