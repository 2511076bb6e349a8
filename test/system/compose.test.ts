import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findProgram, outputOf } from '../../src/setup/host.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importBaseImage } from '../support/base-images.ts'
import { startEngine, type TestEngine } from '../support/engine.ts'
import { until } from '../support/processes.ts'

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

/** Packages that only development needs, as paths of the lock file. */
async function listDevelopmentPackages(): Promise<string[]> {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(await readFile('package-lock.json', 'utf8'))
  return Object.entries(lock.packages)
    .filter(([, { dev }]) => dev === true)
    .map(([path]) => path)
}

async function importBaseImages(socket: string): Promise<void> {
  await importBaseImage(socket, {
    reference: nodeImage,
    programs: { 'usr/local/bin/node': process.execPath },
    // Stands in for `npm install`: the modules that are installed here, without a registry.
    scripts: { 'usr/local/bin/npm': '#!/bin/sh\nexec tar -xf /modules.tar\n' },
    archives: { 'modules.tar': { folder: 'node_modules', without: await listDevelopmentPackages() } },
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

const compose = await findCompose()

test.runIf(compose !== undefined)(
  'redis, api and four workers run as services and never show in the API',
  { timeout: 180_000 },
  async () => {
    if (compose === undefined) return
    await using engine = await startEngine()
    await importBaseImages(engine.socket)
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
    const inCompose = async (...args: string[]): Promise<string> => {
      const [program, ...first] = compose
      return (await run(program, [...first, ...args], { env: variables, maxBuffer: 1024 ** 3 })).stdout
    }
    await inCompose('up', '-d', '--build', '--scale', 'worker=4')
    const isReady = async (): Promise<true | undefined> =>
      (await fetchInside(engine, '/readyz')).status === 200 || undefined
    await until(60_000, isReady, () => new Error('not ready')).catch(async (error: unknown) => {
      throw new Error(await inCompose('logs', '--no-color', '--tail', '12'), { cause: error })
    })
    const containers: { Labels: Record<string, string>; Id: string }[] = JSON.parse(
      (await askEngine(engine.socket, 'GET', '/containers/json')).text,
    )
    expect(containers.map(({ Labels }) => Labels['windlass.service'] ?? '').toSorted(byName)).toEqual([
      'api',
      'redis',
      'worker',
      'worker',
      'worker',
      'worker',
    ])
    const token = (await inCompose('exec', '-T', 'api', 'cat', '/var/lib/windlass/admin.token')).trim()
    const shown = await fetchInside(engine, '/1.0/instances?project=docker', token)
    expect(shown.status).toBe(200)
    expect(JSON.parse(shown.text)).toMatchObject({ metadata: [] })
    expect((await fetchInside(engine, '/1.0/instances')).status).toBe(403)
    await expectPlainUser(
      engine,
      containers.filter(({ Labels }) => Labels['windlass.service'] !== 'redis').map(({ Id }) => Id),
    )
    await inCompose('down', '-v', '-t', '10')
  },
)

async function expectPlainUser(engine: TestEngine, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const top: { Processes: string[][] } = JSON.parse(
      (await askEngine(engine.socket, 'GET', `/containers/${id}/top?ps_args=-eo+uid,args`)).text,
    )
    expect(top.Processes.map(([uid]) => uid)).toEqual(['1000'])
  }
}
