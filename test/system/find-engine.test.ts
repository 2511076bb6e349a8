import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createPlainServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeFindings, examine } from '../../src/setup/doctor.ts'
import { findEngine, listDockerHosts } from '../../src/setup/find-engine.ts'
import { isRoot } from '../../src/setup/permissions.ts'

let home: string
let servers: { close(): unknown }[]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'wl-find-'))
  servers = []
})

afterEach(async () => {
  for (const server of servers) server.close()
  await rm(home, { recursive: true, force: true })
})

async function listen(path: string, body: string): Promise<Server> {
  const server = createServer((_, response) => response.end(body))
  await mkdir(dirname(path), { recursive: true })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  servers.push(server)
  return server
}

async function makeContext(name: string, host: string): Promise<void> {
  const folder = join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }))
  await writeFile(join(home, '.docker/config.json'), JSON.stringify({ currentContext: name }))
}

test('DOCKER_HOST is the only address where it is set', async () => {
  expect(await listDockerHosts({ DOCKER_HOST: 'tcp://x:1', HOME: home })).toEqual(['tcp://x:1'])
})

test('what only a client with a certificate can try is left to the server', async () => {
  const one = { DOCKER_HOST: 'tcp://127.0.0.1:1', HOME: home }
  expect(await findEngine({ ...one, DOCKER_TLS_VERIFY: '1' })).toMatchObject({ kind: 'unchecked' })
  expect(await findEngine({ ...one, DOCKER_TLS_VERIFY: '' })).toMatchObject({ kind: 'absent' })
})

test('the current context comes first, then rootless sockets, then the usual one', async () => {
  await makeContext('work', 'unix:///work.sock')
  const hosts = await listDockerHosts({ HOME: home, XDG_RUNTIME_DIR: '/run/user/7' })
  expect(hosts[0]).toBe('unix:///work.sock')
  expect(hosts[1]).toBe('unix:///run/user/7/docker.sock')
  expect(hosts.at(-1)).toBe('unix:///var/run/docker.sock')
  expect(await listDockerHosts({ HOME: home, DOCKER_CONTEXT: 'default' })).not.toContain('unix:///work.sock')
})

test('a broken configuration of Docker is as good as none', async () => {
  await mkdir(join(home, '.docker'), { recursive: true })
  await writeFile(join(home, '.docker/config.json'), '{broken')
  expect((await listDockerHosts({ HOME: home })).at(-1)).toBe('unix:///var/run/docker.sock')
})

test('a rootless engine that answers is found with its version', async () => {
  await listen(join(home, 'docker.sock'), '{"Version":"28.5.2","ApiVersion":"1.51"}')
  const found = await findEngine({ HOME: home, XDG_RUNTIME_DIR: home })
  expect(found).toEqual({ kind: 'found', dockerHost: `unix://${home}/docker.sock`, version: '28.5.2' })
})

test('no socket, a dead socket and something else on the socket are no engine', async () => {
  const missing = `unix://${home}/none.sock`
  expect(await findEngine({ DOCKER_HOST: missing })).toEqual({ kind: 'absent', tried: [missing] })
  await listen(join(home, 'other.sock'), 'hello')
  expect(await findEngine({ DOCKER_HOST: `unix://${home}/other.sock` })).toMatchObject({ kind: 'absent' })
})

test('an engine that takes connections but never answers is silent, not absent', async () => {
  const mute = createPlainServer(() => {})
  await new Promise<void>((resolve) => mute.listen(join(home, 'mute.sock'), resolve))
  servers.push(mute)
  expect(await findEngine({ DOCKER_HOST: `unix://${home}/mute.sock` })).toMatchObject({ kind: 'silent' })
})

test('addresses with TLS or ssh are left to the server', async () => {
  expect(await findEngine({ DOCKER_HOST: 'ssh://me@there' })).toMatchObject({ kind: 'unchecked' })
  expect(await findEngine({ DOCKER_HOST: 'tcp://there:2376' })).toMatchObject({ kind: 'unchecked' })
})

// Only another user than root can be refused.
test.runIf(isRoot())('a socket that refuses us is "denied", never "no engine"', async () => {
  const socket = join(home, 'docker.sock')
  await listen(socket, '{"Version":"1"}')
  await chmod(socket, 0o600)
  await chmod(home, 0o755)
  process.seteuid?.(65_534)
  try {
    expect(await findEngine({ DOCKER_HOST: `unix://${socket}` })).toEqual({
      kind: 'denied',
      dockerHost: `unix://${socket}`,
    })
  } finally {
    process.seteuid?.(0)
  }
})

test('doctor names what is missing and how to mend it', async () => {
  const env = { DOCKER_HOST: `unix://${home}/none.sock`, PATH: '/usr/bin' }
  const findings = await examine({
    env,
    dataDir: join(home, 'data'),
    http: undefined,
    https: undefined,
    redisUrl: 'redis://x',
    cache: home,
  })
  const text = describeFindings(findings)
  expect(text).toMatch(/^MISSING Docker Engine: +none answers at .*none\.sock.*docker\.io/m)
  expect(text).toMatch(/^ok +Data directory: +\/.*data$/m)
  expect(text).toMatch(/^note +Redis: +the one in REDIS_URL/m)
})
