/** Images copied from another server of LXD's API, and refreshed from a registry. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
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
    startWindlass({ workers: 2, env: { WINDLASS_REGISTRY: '127.0.0.1:9' } }),
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
  ['a prefix', { server: 'https://127.0.0.1:8443', fingerprint: 'ffff' }, 'whole fingerprint'],
])('%s is refused at once', async (_name, source, said) => {
  const answer = await windlass.call('POST', '/1.0/images', { source: { type: 'image', protocol: 'lxd', ...source } })
  expect(errorOf(answer)).toMatch(new RegExp(`^400 .*${said}`))
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
