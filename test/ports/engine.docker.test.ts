import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/core/engine.ts'
import { createDockerEngine } from '../../src/engine/docker/connect.ts'
import { openProxy } from '../battery/proxy.ts'
import { createRandom } from '../battery/random.ts'
import { askEngine } from '../support/ask-engine.ts'
import { sharedEngine } from '../support/shared-engine.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { makeKit, unique } from './engine-kit.ts'
import { engineSuite } from './engine.suite.ts'
import { makeTar } from './tar-samples.ts'

const deployment = 'suite'
const credentials = { username: 'u', password: 'p' }
const onProgress = (): void => undefined
const tools = async () => Readable.from([await tinyImageTar()])

engineSuite('a real Docker Engine', async () => {
  const { dockerHost, image } = await sharedEngine()
  const engine = createDockerEngine({ member: 'test', deployment, dockerHost, tools })
  return { engine, deployment, image, rootfs: tinyImageTar, close: () => engine.close() }
})

test('a container whose image somebody has removed by force is committed all the same', async () => {
  const { dockerHost, socket, image } = await sharedEngine()
  const engine = createDockerEngine({ member: 'test', deployment, dockerHost })
  const kit = makeKit(async () => ({ engine, deployment, image, rootfs: tinyImageTar, close: () => engine.close() }))
  await kit.open()
  const source = await kit.engine.containers.create(kit.spec({ environment: { A: '1' } }))
  const made = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:gone` }
  const gone = await engine.images.commit(source, made)
  const container = await engine.containers.create(kit.spec({ image: gone }))
  await engine.containers.writeTar(container, '/root', Readable.from([await makeTar({ name: 'note', body: 'here' })]))
  expect((await askEngine(socket, 'DELETE', `/images/${gone}?force=true`)).status).toBe(200)
  const again = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:again` }
  const rescued = await engine.images.commit(container, again)
  expect((await engine.images.inspect(rescued))?.tags).toEqual([again.tag])
  const copy = await engine.containers.create(kit.spec({ image: rescued }))
  expect(await engine.containers.stat(copy, '/root/note')).toMatchObject({ size: 4 })
  await kit.close()
})

test('a helper goes although the connection was lost over its removal: its volume can be removed at once', async () => {
  const { socket, image } = await sharedEngine()
  const directory = await mkdtemp(join(tmpdir(), 'windlass-test-'))
  await using proxy = await openProxy(join(directory, 'engine.sock'), socket, createRandom(1))
  const engine = createDockerEngine({ member: 'test', deployment, dockerHost: `unix://${proxy.path}` })
  const kit = makeKit(async () => ({ engine, deployment, image, rootfs: tinyImageTar, close: () => engine.close() }))
  await kit.open()
  const [from, to] = [unique(), unique()]
  for (const name of [from, to]) await engine.volumes.create(name, kit.labels('volume'))
  let spoilt = 0
  proxy.onRequest((method) => (method === 'DELETE' && spoilt++ < 2 ? 'before' : undefined))
  await engine.volumes.copy(from, to, kit.labels('helper'))
  expect(spoilt).toBeGreaterThanOrEqual(2)
  expect([await engine.volumes.remove(from), await engine.volumes.remove(to)]).toEqual(['removed', 'removed'])
  await kit.close()
  await rm(directory, { recursive: true })
})

describe('a registry', () => {
  let engine: Engine
  let registry: ReturnType<typeof spawn>
  let name: string

  beforeAll(async () => {
    const shared = await sharedEngine()
    engine = createDockerEngine({ member: 'test', deployment, dockerHost: shared.dockerHost })
    const program = fileURLToPath(new URL('tiny-registry.ts', import.meta.url))
    const [command, ...args] = shared.netnsCommand([process.execPath, program])
    registry = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = await once(registry.stdout ?? registry, 'data')
    // Engines speak plain HTTP to a registry of their own machine.
    name = `127.0.0.1:${String(port).trim()}/tiny/image`
  })
  afterAll(async () => {
    const gone = once(registry, 'exit')
    registry.kill()
    await gone
    await engine.close()
  })

  test('gives an image with its digest', async () => {
    const percents: number[] = []
    const options = { credentials, onProgress: ({ percent }: { percent: number }) => percents.push(percent) }
    const { id, digest } = await engine.images.pull(`${name}:1`, options)
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(percents.at(-1)).toBe(100)
    const image = await engine.images.inspect(`${name}:1`)
    expect(image).toMatchObject({ id, tags: [`${name}:1`], command: ['/hello'], labels: { from: 'registry' } })
    expect((await engine.images.pull(`${name}@${digest}`, { credentials, onProgress })).id).toBe(id)
    expect(await engine.images.untag(`${name}@${digest}`)).toBe('removed')
    await engine.images.untag(`${name}:1`)
  })

  test('that has no such image, or wants other credentials, makes a pull fail', async () => {
    const missing = engine.images.pull(`${name}:2`, { credentials, onProgress })
    await expect(missing).rejects.toMatchObject({ code: 'not-found' })
    const refused = engine.images.pull(`${name}:1`, { onProgress })
    await expect(refused).rejects.toMatchObject({ code: 'bad-request' })
    const nobody = engine.images.pull('127.0.0.1:1/a:1', { onProgress })
    await expect(nobody).rejects.toMatchObject({ message: expect.stringContaining('connection refused') })
  })
})
