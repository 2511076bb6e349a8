/** What the lines run on: an engine and a Redis of their own, two API processes and workers behind relays. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import type { TestEngineOptions } from '../support/engine.ts'
import { startImageServer, type ImageServer } from '../support/image-server.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { volumeImageTar } from '../support/volume-image.ts'
import { startWindlass, type TestProcess, type TestWindlass } from '../support/windlass.ts'
import { openAudit, type Audit } from './audit.ts'
import { openPool, type Pool } from './pool.ts'
import { openProxy, type Proxy } from './proxy.ts'
import type { Random } from './random.ts'
import { watchStandstills, type Standstills } from './standstills.ts'

export interface Bed extends AsyncDisposable {
  readonly windlass: TestWindlass
  /** Milliseconds after which a dead worker's operation may be taken over. */
  readonly lock: number
  readonly pool: Pool
  readonly audit: Audit
  readonly standstills: Standstills
  /** Between both API processes and Redis, and the engine. */
  readonly apiRedis: Proxy
  readonly apiEngine: Proxy
  /** Those of the API processes that are up. */
  sockets(): string[]
  /** Ends the first or the second one by SIGTERM and starts it again on the same socket; what ending took, ms. */
  restartApi(at: number): Promise<number>
  /** Another server, to copy images from. */
  readonly imageServer: ImageServer
  /** `127.0.0.1:port`, as the engine sees it. */
  readonly registry: string
  /** Starts the engine again after it was killed, and the registry in its network. */
  restartEngine(): Promise<void>
  /** As a careful client: with an Idempotency-Key, and again after a 503 until there is another answer. */
  call: TestWindlass['call']
  /** The operation when it is final; the client waits again where the server does not answer. */
  ended(accepted: ApiAnswer): Promise<OperationRecord | undefined>
}

export interface BedOptions {
  random: Random
  workers?: number
  /** Milliseconds; undefined: the product's own. */
  lock?: number | undefined
  engine?: TestEngineOptions
  env?: Record<string, string>
  workerEnv?: Record<string, string>
}

/** MiB. */
const REDIS_DISK = 512

/** Milliseconds: a dead worker's operation is taken over after one lock to two. */
export const LOCK = 2_000
const OWN_LOCK = 6_000

export async function openBed(options: BedOptions): Promise<Bed> {
  const { random } = options
  const directory = await mkdtemp(join(tmpdir(), 'windlass-battery-'))
  const proxies: Proxy[] = []
  const windlass = await startWindlass({
    // It makes the first network; the pool's take over from it.
    workers: 1,
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    redis: { diskMiB: REDIS_DISK },
    env: async ({ redis, engine }) => {
      proxies.push(await openProxy(join(directory, 'redis.sock'), redis.socket, random))
      proxies.push(await openProxy(join(directory, 'engine.sock'), engine.socket, random))
      const [apiRedis, apiEngine] = proxies
      return {
        REDIS_URL: `unix://${apiRedis?.path}`,
        DOCKER_HOST: `unix://${apiEngine?.path}`,
        ...options.env,
      }
    },
  })
  const [apiRedis, apiEngine] = proxies
  if (apiRedis === undefined || apiEngine === undefined) throw new Error('The relays were not opened')
  const lock = 'lock' in options ? options.lock : LOCK
  const { workers: size = 8, workerEnv: env = {} } = options
  const [second, pool] = await Promise.all([windlass.startApi(), openPool(windlass, { size, lock, random, env })])
  const apis: { process: TestProcess; socket: string; isUp: boolean }[] = [
    { process: windlass.api, socket: windlass.socket, isUp: true },
    { process: second, socket: second.socket, isUp: true },
  ]
  for (const worker of windlass.workers) worker.kill('SIGTERM')
  await bringImages(windlass)
  let registry = await startRegistry(windlass)
  const audit = await openAudit(windlass)
  const imageServer = await startImageServer()
  const standstills = watchStandstills(audit.database)
  return {
    windlass,
    lock: lock ?? OWN_LOCK,
    pool,
    audit,
    standstills,
    imageServer,
    apiRedis,
    apiEngine,
    sockets: () => apis.filter(({ isUp }) => isUp).map(({ socket }) => socket),
    restartApi: async (at) => {
      const api = apis[at]
      if (api === undefined) throw new Error(`There is no API process ${at}`)
      const began = performance.now()
      api.process.kill('SIGTERM')
      await api.process.exited
      const took = performance.now() - began
      api.isUp = false
      api.process = await windlass.startApi({ WINDLASS_SOCKET: api.socket })
      api.isUp = true
      return took
    },
    get registry() {
      return `127.0.0.1:${registry.port}`
    },
    restartEngine: async () => {
      await windlass.engine.restart()
      registry = await startRegistry(windlass, registry.port)
    },
    call: (...request) => callCarefully(windlass, request),
    ended: async (accepted) => {
      const id = operationOf(accepted)?.split('/').at(-1)
      return id === undefined ? undefined : audit.ended(id)
    },
    [Symbol.asyncDispose]: async () => {
      registry.process.kill('SIGKILL')
      await imageServer[Symbol.asyncDispose]()
      await standstills[Symbol.asyncDispose]()
      await audit[Symbol.asyncDispose]()
      await pool[Symbol.asyncDispose]()
      await windlass[Symbol.asyncDispose]()
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** `busybox`, and `volume` with a volume at /data. */
async function bringImages(windlass: TestWindlass): Promise<void> {
  await publishStarterImage(windlass.socket, await staticBusybox())
  const uploaded = await windlass.operate('POST', '/1.0/images', await volumeImageTar(windlass.engine.socket))
  const target = uploaded.metadata?.['fingerprint']
  await windlass.call('POST', '/1.0/images/aliases', { name: 'volume', target })
}

/** On the same port as before, if there was one: it is part of what is shown of a pulled image. */
async function startRegistry(windlass: TestWindlass, before = '0'): Promise<{ process: ChildProcess; port: string }> {
  const [program, ...args] = windlass.engine.netnsCommand([
    process.execPath,
    'test/ports/tiny-registry.ts',
    '--open',
    before,
  ])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [chunk]: [Buffer] = (await once(child.stdout, 'data')) as [Buffer] // a stream without encoding
  return { process: child, port: String(chunk).trim() }
}

/** The operation's path in an answer, or undefined. */
export function operationOf({ body }: ApiAnswer): string | undefined {
  const url = fieldOf(body, 'operation')
  return typeof url === 'string' && url !== '' ? url : undefined
}

/** Milliseconds for which a careful client tries. */
const PATIENCE = 60_000

async function callCarefully(
  windlass: TestWindlass,
  [method, path, body, headers = {}]: Parameters<TestWindlass['call']>,
): Promise<ApiAnswer> {
  const key = method === 'GET' ? {} : { 'idempotency-key': randomUUID() }
  const until = performance.now() + PATIENCE
  for (;;) {
    try {
      const answer = await windlass.call(method, path, body, { ...key, ...headers })
      if (answer.status !== 503 || performance.now() > until) return answer
    } catch (error) {
      if (performance.now() > until) throw error
    }
    await delay(250)
  }
}
