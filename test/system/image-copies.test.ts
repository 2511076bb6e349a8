/** Images copied from and to another server of LXD's API, and refreshed from where they came. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askApi } from '../support/ask-api.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { startImageServer, type ImageServer } from '../support/image-server.ts'
import { until } from '../support/processes.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass
let server: ImageServer
let tarball: Buffer

beforeAll(async () => {
  ;[windlass, server] = await Promise.all([
    startWindlass({
      workers: 2,
      env: { WINDLASS_REGISTRY: '127.0.0.1:9', WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_OPERATORS_REACH: '10.0.0.0/8' },
    }),
    startImageServer(),
  ])
  tarball = gzipSync(await tinyImageTar())
})
afterAll(async () => {
  await windlass?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
})

const copy = (source: object, more: object = {}) => windlass.operate('POST', '/1.0/images', { source, ...more })
const errorOf = ({ status, body }: { status: number; body: unknown }) => `${status} ${String(fieldOf(body, 'error'))}`

/** The tiny image, each time with other bytes: gzip's header has four for a time. */
function packed(number: number): Buffer {
  const bytes = Buffer.from(tarball)
  bytes.writeUInt32LE(number, 4)
  return bytes
}

const settled = () =>
  until(
    20_000,
    async () => {
      const objects = await engineObjects(windlass.engine.socket)
      return objects.containers.length === 0 ? objects : undefined
    },
    () => new Error('Helper containers were left'),
  )

test('an image comes from the server that has the certificate, to who knows the secret', async () => {
  const fingerprint = server.offer(tarball)
  const copied = await copy(server.source(fingerprint), { aliases: [{ name: 'there' }], public: true })
  expect(copied).toMatchObject({ status: 'Success', err: '', metadata: { fingerprint } })
  const { body } = await windlass.call('GET', `/1.0/images/${fingerprint}`)
  expect(fieldOf(body, 'metadata')).toMatchObject({
    fingerprint,
    filename: 'there.tar.gz',
    properties: { os: 'Elsewhere' },
    aliases: [{ name: 'there' }],
    public: true,
    size: tarball.length,
  })
  const made = await windlass.operate('POST', '/1.0/instances', {
    name: 'i1',
    source: { type: 'image', alias: 'there' },
  })
  expect(made).toMatchObject({ status: 'Success' })
  await windlass.operate('DELETE', '/1.0/instances/i1')
})

test('what is not as it is said to be is refused and leaves nothing', async () => {
  const before = await settled()
  const wanted = 'f'.repeat(64)
  const failing = async (source: object) => (await copy(source)).err
  expect(await failing(server.source(wanted))).toBe(`${server.url} does not give the image: Image not found`)
  const known = server.offer(randomBytes(1000))
  expect(await failing({ ...server.source(known), secret: 'guessed' })).toContain('Image not found')
  expect(await failing(server.source(known))).toBe('Unsupported compression')
  const cut = server.offer(gzipSync(randomBytes(100_000)), (response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 100_000 })
    response.write(Buffer.alloc(5000), () => response.destroy())
  })
  expect(await failing(server.source(cut))).toBe('The upload was broken off')
  const other = server.offer(Buffer.from('one'), (response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end('another')
  })
  expect(await failing(server.source(other))).toContain(`not ${other}`)
  await using stranger = await startImageServer()
  const no = `No server with the certificate that is wanted answers at ${server.url}`
  expect(await failing({ ...server.source(known), certificate: stranger.certificate })).toBe(no)
  expect(await failing({ ...server.source(known), certificate: '' })).toBe(no)
  const closed = { ...server.source(known), server: 'https://127.0.0.1:1' }
  expect(await failing(closed)).toBe('No server with the certificate that is wanted answers at https://127.0.0.1:1')
  expect(await settled()).toEqual(before)
})

test.each([
  ['http', { server: 'http://127.0.0.1:8443', fingerprint: 'f'.repeat(64) }, 'Another server is named by its URL'],
  [
    'a secret for a prefix',
    { server: 'https://127.0.0.1:8443', fingerprint: 'ffff', secret: 's' },
    'whole fingerprint',
  ],
  ['no image', { server: 'https://127.0.0.1:8443' }, 'one of alias or fingerprint'],
])('%s is refused at once', async (_name, source, said) => {
  const answer = await windlass.call('POST', '/1.0/images', { source: { type: 'image', protocol: 'lxd', ...source } })
  expect(errorOf(answer)).toMatch(new RegExp(`^400 .*${said}`))
})

test('a public image comes by its alias, is looked for there again, and is not fetched twice', async () => {
  const first = server.publish('moving', packed(1))
  const source = server.publicSource('moving')
  const copied = await copy(source, { aliases: [{ name: 'followed' }], auto_update: true })
  expect(copied).toMatchObject({ status: 'Success', err: '', metadata: { fingerprint: first } })
  const again = await copy(source, { aliases: [{ name: 'second' }] })
  expect(again).toMatchObject({ status: 'Success', metadata: { fingerprint: first } })
  const { body } = await windlass.call('GET', `/1.0/images/${first}`)
  expect(fieldOf(body, 'metadata')).toMatchObject({
    auto_update: true,
    update_source: { server: server.url, protocol: 'lxd', alias: 'moving' },
  })
  const still = await windlass.operate('POST', `/1.0/images/${first}/refresh`)
  expect(still).toMatchObject({ status: 'Success', metadata: { refreshed: false } })
  const next = server.publish('moving', packed(2))
  const moved = await windlass.operate('POST', `/1.0/images/${first}/refresh`)
  expect(moved).toMatchObject({ status: 'Success', err: '', metadata: { refreshed: true } })
  for (const name of ['followed', 'second']) {
    const alias = await windlass.call('GET', `/1.0/images/aliases/${name}`)
    expect(fieldOf(fieldOf(alias.body, 'metadata'), 'target')).toBe(next)
  }
  expect((await windlass.call('GET', `/1.0/images/${first}`)).status).toBe(404)
})

test('an instance is made of an image of another server, once brought for all that follow', async () => {
  const fingerprint = server.offer(packed(3))
  const make = (name: string, source: object) =>
    windlass.operate('POST', '/1.0/instances', { name, source, start: true })
  expect(await make('o1', server.source(fingerprint))).toMatchObject({ status: 'Success', err: '' })
  const { body } = await windlass.call('GET', `/1.0/images/${fingerprint}`)
  expect(fieldOf(body, 'metadata')).toMatchObject({ cached: true, auto_update: false, properties: { os: 'Elsewhere' } })
  const shown = await windlass.call('GET', '/1.0/instances/o1')
  expect(fieldOf(fieldOf(shown.body, 'metadata'), 'config')).toMatchObject({
    'image.os': 'Elsewhere',
    'volatile.base_image': fingerprint,
  })
  const here = await make('o2', { ...server.source(fingerprint), secret: 'used up' })
  expect(here).toMatchObject({ status: 'Success', windlass: { steps: expect.not.arrayContaining(['fetch']) } })
  server.publish('open', packed(4))
  const both = await Promise.all(['o3', 'o4'].map((name) => make(name, server.publicSource('open'))))
  expect(both.map(({ status, err }) => [status, err])).toEqual([
    ['Success', ''],
    ['Success', ''],
  ])
  const failed = await make('o5', { ...server.source('f'.repeat(64)) })
  expect(failed).toMatchObject({ status: 'Failure', err: `${server.url} does not give the image: Image not found` })
  expect((await windlass.call('GET', '/1.0/instances/o5')).status).toBe(404)
  for (const name of ['o1', 'o2', 'o3', 'o4']) {
    await windlass.operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true })
    await windlass.operate('DELETE', `/1.0/instances/${name}`)
  }
})

test('an image is sent to a server that expects it', async () => {
  const sent = packed(5)
  const { metadata } = await windlass.operate('POST', '/1.0/images', sent)
  const fingerprint = String(metadata?.['fingerprint'])
  const push = (body: object) => windlass.call('POST', `/1.0/images/${fingerprint}/export`, body)
  expect(await windlass.ended(await push(server.target))).toMatchObject({ status: 'Success', err: '' })
  expect(server.received).toEqual([fingerprint])
  const wrong = await windlass.ended(await push({ ...server.target, secret: 'guessed' }))
  expect(wrong).toMatchObject({ status: 'Failure', err: expect.stringContaining('does not take the image') })
  expect(errorOf(await push({ ...server.target, target: 'http://127.0.0.1:1' }))).toMatch(
    /^400 Another server is named/,
  )
  expect(errorOf(await push({ ...server.target, secret: '' }))).toMatch(/^400 The secret is missing/)
})

test('who shows the secret of an expected image may send that one, and nobody else anything', async () => {
  const tar = packed(6)
  const fingerprint = createHash('sha256').update(tar).digest('hex')
  const token = await windlass.call('POST', '/1.0/images', {
    source: { type: 'image', mode: 'push', fingerprint },
    properties: { os: 'Expected' },
    aliases: [{ name: 'expected' }],
  })
  const secret = String(fieldOf(fieldOf(fieldOf(token.body, 'metadata'), 'metadata'), 'secret'))
  const post = (headers: Record<string, string>) =>
    fetch(`${windlass.api.url}/1.0/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body: new Uint8Array(tar),
    })
  const named = { 'x-lxd-fingerprint': fingerprint }
  expect((await post(named)).status).toBe(403)
  expect((await post({ ...named, 'x-lxd-secret': 'guessed' })).status).toBe(403)
  expect((await post({ 'x-lxd-fingerprint': 'f'.repeat(64), 'x-lxd-secret': secret })).status).toBe(403)
  const taken = await post({ ...named, 'x-lxd-secret': secret })
  const operation: unknown = fieldOf(await taken.json(), 'metadata')
  const at = `${windlass.api.url}/1.0/operations/${String(fieldOf(operation, 'id'))}/wait`
  expect((await fetch(at)).status).toBe(403)
  expect((await fetch(`${at}?secret=guessed`)).status).toBe(403)
  const waited = await fetch(`${at}?secret=${String(fieldOf(fieldOf(operation, 'metadata'), 'secret'))}`)
  expect(fieldOf(await waited.json(), 'metadata')).toMatchObject({ status: 'Success', metadata: { fingerprint } })
  const { body } = await windlass.call('GET', `/1.0/images/${fingerprint}`)
  expect(fieldOf(body, 'metadata')).toMatchObject({ properties: { os: 'Expected' }, aliases: [{ name: 'expected' }] })
  await windlass.call('DELETE', String(fieldOf(token.body, 'operation')))
  expect((await post({ ...named, 'x-lxd-secret': secret })).status).toBe(403)
})

test('an operator leads the server to public addresses and the listed networks only', async () => {
  const made = await windlass.call('POST', '/1.0/auth/tokens', { name: 'o', role: 'operator', projects: null })
  const secret = String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
  const ask = (source: object) =>
    askApi({ at: windlass.api.url ?? '', method: 'POST', path: '/1.0/images', body: { source }, token: secret })
  const known = server.offer(packed(7))
  const at = (place: string) => ({ ...server.source(known), server: place })
  const { port } = new URL(server.url)
  for (const place of [
    server.url,
    'https://2130706433',
    'https://[::1]',
    'https://192.168.0.1',
    'https://169.254.169.254',
  ])
    expect(await ask(at(place))).toMatchObject({
      status: 403,
      body: { error: expect.stringMatching(/^Only an admin/) },
    })
  for (const place of [`https://localhost:${port}`, 'https://localhost:1', 'https://10.255.255.1:1']) {
    const { id } = fieldOf((await ask(at(place))).body, 'metadata') as { id: string } // an operation
    const { body } = await windlass.call('GET', `/1.0/operations/${id}/wait?timeout=${place.includes('10.') ? 0 : 60}`)
    if (!place.includes('10.'))
      expect(fieldOf(fieldOf(body, 'metadata'), 'err')).toBe(
        `No server with the certificate that is wanted answers at ${place}`,
      )
    else await windlass.call('DELETE', `/1.0/operations/${id}`)
  }
})

test("images of simplestreams servers are the registry's", async () => {
  const ask = (place: string, alias: string) =>
    windlass.call('POST', '/1.0/images', {
      source: { type: 'image', mode: 'pull', protocol: 'simplestreams', server: place, alias },
    })
  const accepted = await ask('https://cloud-images.ubuntu.com/releases', '22.04')
  expect(await windlass.ended(accepted)).toMatchObject({ err: expect.stringContaining('127.0.0.1:9/ubuntu:22.04') })
  const other = await ask('https://images.linuxcontainers.org', 'alpine/3.20/amd64')
  expect(await windlass.ended(other)).toMatchObject({ err: expect.stringContaining('127.0.0.1:9/alpine:3.20') })
  const variant = await ask('https://images.linuxcontainers.org', 'debian/12/cloud')
  expect(errorOf(variant)).toBe('400 No registry has the variant "cloud" of debian:12')
})

test('a refreshed image follows its registry, with its aliases', async () => {
  const { registry, port } = await startRegistry()
  try {
    const pull = (name: string) =>
      copy({ type: 'image', alias: `127.0.0.1:${port}/tiny/${name}:1` }, { aliases: [{ name }] })
    const still = String((await pull('image')).metadata?.['fingerprint'])
    const same = await windlass.operate('POST', `/1.0/images/${still}/refresh`)
    expect(same).toMatchObject({ status: 'Success', metadata: { refreshed: false } })
    const old = String((await pull('moving')).metadata?.['fingerprint'])
    const moved = await windlass.operate('POST', `/1.0/images/${old}/refresh`)
    expect(moved).toMatchObject({ status: 'Success', err: '', metadata: { refreshed: true } })
    expect((await windlass.call('GET', `/1.0/images/${old}`)).status).toBe(404)
    const { body } = await windlass.call('GET', '/1.0/images/aliases/moving')
    const target = String(fieldOf(fieldOf(body, 'metadata'), 'target'))
    expect(target).not.toBe(old)
    expect((await windlass.call('GET', `/1.0/images/${target}`)).status).toBe(200)
    const { metadata } = await windlass.operate('POST', '/1.0/images', {
      source: { type: 'image', alias: `127.0.0.1:${port}/tiny/image:1` },
    })
    expect(metadata?.['fingerprint']).toBe(still)
  } finally {
    registry.kill('SIGKILL')
  }
})

async function startRegistry(): Promise<{ registry: ChildProcess; port: string }> {
  const command = windlass.engine.netnsCommand([process.execPath, 'test/ports/tiny-registry.ts', '--open', '0'])
  const [program, ...args] = command
  const registry = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [chunk] = await once(registry.stdout, 'data')
  return { registry, port: String(chunk).trim() }
}
