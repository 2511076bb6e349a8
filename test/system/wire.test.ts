import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createServer, type Server } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Engine } from '../../src/core/engine.ts'
import { type Deps, openDeps } from '../../src/wire.ts'
import { type EngineKit, makeKit } from '../ports/engine-kit.ts'
import { makeTar, readTar } from '../ports/tar-samples.ts'
import { startEngine, type TestEngine } from '../support/engine.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { importTinyImage, TINY_IMAGE, tinyImageTar } from '../support/tiny-image.ts'

const run = promisify(execFile)

let folder: string
let redis: TestRedis
let real: TestEngine
let door: Server
let env: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'windlass-wire-'))
  ;[redis, real] = await Promise.all([startRedis({ appendfsync: 'everysec' }), startEngine()])
  await importTinyImage(real.socket)
  await makeCertificates(folder)
  door = await openDoor(real.socket)
  const address = door.address()
  if (address === null || typeof address === 'string') throw new Error('The door has no port')
  env = {
    WINDLASS_DATA_DIR: folder,
    REDIS_URL: `unix://${redis.socket}`,
    DOCKER_HOST: `tcp://127.0.0.1:${address.port}`,
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: folder,
    LOG_LEVEL: 'silent',
  }
})

afterAll(async () => {
  door?.close()
  await Promise.all([redis?.[Symbol.asyncDispose](), real?.[Symbol.asyncDispose]()])
  await rm(folder, { recursive: true, force: true })
})

test('an engine behind TLS is used with a certificate, and only with one', async () => {
  const deps = await openDeps(readConfig(env), 'api')
  expect((await engineOf(deps).info()).version).not.toBe('')
  await deps.close()
  await rename(join(folder, 'key.pem'), join(folder, 'away.pem'))
  await expect(openDeps(readConfig(env), 'api')).rejects.toThrow(`DOCKER_TLS_VERIFY needs ${join(folder, 'key.pem')}`)
  await rename(join(folder, 'away.pem'), join(folder, 'key.pem'))
  const plain = await openDeps(readConfig({ ...env, DOCKER_TLS_VERIFY: '' }), 'api')
  await expect(engineOf(plain).info()).rejects.toMatchObject({
    code: expect.stringMatching(/^(unavailable|internal)$/),
  })
  await plain.close()
})

test('a process in a container without a shell is ended', async () => {
  const deps = await openDeps(readConfig(env), 'worker')
  const kit = makeKit(async () => ({
    engine: engineOf(deps),
    deployment: deps.deployment,
    image: TINY_IMAGE,
    rootfs: tinyImageTar,
    close: () => deps.close(),
  }))
  await kit.open()
  const container = await startBare(kit)
  const settings = { environment: {}, user: '', cwd: '', tty: false, width: 0, height: 0, marker: randomUUID() }
  const command = ['/busybox', 'sleep', '600']
  const running = await kit.engine.execs.run({ container, command, ...settings })
  await running.signal('SIGKILL')
  expect((await running.exit).code).toBe(137)
  await kit.close()
})

function engineOf(deps: Deps): Engine {
  const engine = deps.engines.get('local')
  if (engine === undefined) throw new Error('There is no engine')
  return engine
}

async function startBare(kit: EngineKit): Promise<string> {
  const busybox = (await readTar(await tinyImageTar(), 'latin1')).get('bin/busybox')?.body ?? ''
  const tar = await makeTar({ name: 'busybox', body: Buffer.from(busybox, 'latin1'), mode: 0o755 })
  const options = { labels: kit.labels('image'), tag: 'windlass-test/bare:1', command: ['/busybox'], environment: {} }
  const image = await kit.engine.images.importTar(Readable.from([tar]), options)
  return kit.started({ image, command: ['/busybox', 'sleep', '1000'] })
}

/** An authority, and one certificate of it for both sides. */
async function makeCertificates(directory: string): Promise<void> {
  const openssl = (...words: string[]) => run('openssl', words, { cwd: directory })
  const fresh = ['-newkey', 'rsa:2048', '-nodes']
  await openssl('req', '-x509', '-days', '2', '-subj', '/CN=ca', '-keyout', 'ca.key', '-out', 'ca.pem', ...fresh)
  await openssl('req', '-subj', '/CN=engine', '-keyout', 'key.pem', '-out', 'one.csr', ...fresh)
  await writeFile(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1\n')
  const signing = ['x509', '-req', '-days', '2', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
  await openssl(...signing, '-in', 'one.csr', '-extfile', 'names', '-out', 'cert.pem')
}

/** What an engine does with --tlsverify, in front of one that runs in a network of its own. */
async function openDoor(socket: string): Promise<Server> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(folder, name))),
  )
  const options = { ca, cert, key, requestCert: true, rejectUnauthorized: true, allowHalfOpen: true }
  const server = createServer(options, (client) => {
    const inside = connect({ path: socket, allowHalfOpen: true })
    pipeline(client, inside, client).catch(() => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
