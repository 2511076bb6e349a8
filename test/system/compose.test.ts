import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findProgram, outputOf } from '../../src/setup/host.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importBaseImage } from '../support/base-images.ts'
import { startEngine, type TestEngine } from '../support/engine.ts'
import { processesOfContainers, until } from '../support/processes.ts'

const run = promisify(execFile)

const nodeImage = 'windlass-test/node:24'
const redisImage = 'windlass-test/redis:7'

/** Compose 1.29 or 2, whichever this machine has. */
async function findCompose(): Promise<[string, ...string[]] | undefined> {
  if (env['WINDLASS_TEST_COMPOSE']) return [env['WINDLASS_TEST_COMPOSE']]
  const docker = await findProgram('docker', env)
  if (docker !== undefined && (await outputOf(docker, 'compose', 'version')) !== undefined) return [docker, 'compose']
  const old = await findProgram('docker-compose', env)
  return old === undefined ? undefined : [old]
}

/** What the image has no use for in node_modules, as patterns of tar. */
async function listUnneeded(): Promise<string[]> {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(await readFile('package-lock.json', 'utf8'))
  const packages = Object.entries(lock.packages).filter(([, { dev }]) => dev === true)
  // The rest is what the Dockerfile removes; here most of the time would go into writing thousands of files first.
  return [...packages.map(([path]) => path), 'node_modules/.vitest-cache', '*.map', '*.d.*ts', '*.md']
}

async function importBaseImages(socket: string): Promise<void> {
  await importBaseImage(socket, {
    reference: nodeImage,
    programs: { 'usr/local/bin/node': process.execPath, 'usr/bin/xz': '/usr/bin/xz' },
    // Stands in for `npm install`: the modules that are installed here, without a registry.
    scripts: { 'usr/local/bin/npm': '#!/bin/sh\nexec tar -xf /modules.tar\n' },
    archives: { 'modules.tar': { folder: 'node_modules', without: await listUnneeded() } },
  })
  await importBaseImage(socket, {
    reference: redisImage,
    programs: { 'usr/bin/redis-server': '/usr/bin/redis-server', 'usr/bin/redis-cli': '/usr/bin/redis-cli' },
  })
}

/** A GET from inside the engine's network, where its published ports are. */
async function fetchInside(
  engine: TestEngine,
  path: string,
  token?: string,
): Promise<{ status: number; text: string }> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const script = `fetch('http://127.0.0.1:18080${path}', { headers: ${JSON.stringify(headers)} })
    .then(async (answer) => console.log(JSON.stringify({ status: answer.status, text: await answer.text() })),
      (error) => console.log(JSON.stringify({ status: 0, text: String(error) })))`
  return JSON.parse((await engine.netnsExec(process.execPath, '-e', script)).stdout)
}

const byName = (a: string, b: string): number => a.localeCompare(b)

type Compose = (...args: string[]) => Promise<string>

/** Compose on this engine and these base images; what it printed, also where it fails. */
function composeOn(engine: TestEngine, [program, ...first]: readonly [string, ...string[]]): Compose {
  const variables = {
    ...env,
    DOCKER_HOST: engine.dockerHost,
    DOCKER_BUILDKIT: '0',
    COMPOSE_PROJECT_NAME: 'windlass-test',
    DOCKER_SOCKET: engine.socket,
    NODE_IMAGE: nodeImage,
    REDIS_IMAGE: redisImage,
    WINDLASS_PORT: '18080',
  }
  return async (...args) => {
    const done = run(program, [...first, ...args], { env: variables, maxBuffer: 1024 ** 3 })
    const { stdout } = await done.catch((error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`compose ${args.join(' ')}: ${lastLines(error.stdout)}\n${lastLines(error.stderr)}`)
    })
    return stdout
  }
}

const lastLines = (text: string): string => text.trimEnd().split('\n').slice(-15).join('\n')

interface Container {
  Id: string
  Status: string
  Labels: Record<string, string>
}

async function listContainers(engine: TestEngine): Promise<Container[]> {
  return JSON.parse((await askEngine(engine.socket, 'GET', '/containers/json')).text)
}

const serviceOf = ({ Labels }: Container): string => Labels['windlass.service'] ?? ''

const compose = await findCompose()

test.runIf(compose !== undefined)(
  'redis, api and four workers run as services and never show in the API',
  // Less than half a minute of work on two idle cores, where other tests rarely leave it a quarter of them.
  { timeout: 180_000 },
  async () => {
    if (compose === undefined) return
    await using engine = await startEngine()
    await importBaseImages(engine.socket)
    const inCompose = composeOn(engine, compose)
    try {
      await inCompose('up', '-d', '--build', '--scale', 'worker=4')
      await expectReady(engine, inCompose)
      const containers = await listContainers(engine)
      expect(containers.map(serviceOf).toSorted(byName)).toEqual(['api', 'redis', ...Array<string>(4).fill('worker')])
      for (const one of containers.filter((each) => serviceOf(each) !== 'redis')) await expectPlainUser(one)
      const token = (await inCompose('exec', '-T', 'api', 'cat', '/var/lib/windlass/admin.token')).trim()
      await expectApi(engine, token)
    } finally {
      // An engine that was given to the tests stays, and nothing of ours may stay on it.
      await inCompose('down', '-v', '-t', '10')
    }
  },
)

async function expectReady(engine: TestEngine, inCompose: Compose): Promise<void> {
  const isUp = async (): Promise<true | undefined> => {
    const healthy = (await listContainers(engine)).filter(({ Status }) => Status.includes('(healthy)')).map(serviceOf)
    const isReady = healthy.includes('api') && healthy.includes('redis')
    return (isReady && (await fetchInside(engine, '/readyz')).status === 200) || undefined
  }
  await until(60_000, isUp, () => new Error('not ready')).catch(async (error: unknown) => {
    throw new Error(await inCompose('logs', '--no-color', '--tail', '12'), { cause: error })
  })
}

/** Strangers are refused, none of the services is an instance, and each worker counts. */
async function expectApi(engine: TestEngine, token: string): Promise<void> {
  const shown = await fetchInside(engine, '/1.0/instances?project=docker', token)
  expect(shown.status).toBe(200)
  expect(JSON.parse(shown.text)).toMatchObject({ metadata: [] })
  expect((await fetchInside(engine, '/1.0/instances')).status).toBe(403)
  // Each is a worker of its own to the queue, though all of them are process 1 of a container.
  const isCounted = async (): Promise<true | undefined> =>
    (await fetchInside(engine, '/1.0/metrics', token)).text.includes('windlass_workers{member="local"} 4') || undefined
  await until(30_000, isCounted, () => new Error('The queue does not know of four workers'))
}

/** What stays in it is one process, of no root; a health check may come and go beside it. */
async function expectPlainUser({ Id }: Container): Promise<void> {
  const uids = (await processesOfContainers([Id])).map(async (pid) => {
    const [status, command] = await Promise.all(
      ['status', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
    )
    return command?.includes('/src/main.ts') ? /^Uid:\t(\d+)/m.exec(status ?? '')?.[1] : undefined
  })
  expect((await Promise.all(uids)).filter((uid) => uid !== undefined)).toEqual(['1000'])
}
