import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { env as ownEnv } from 'node:process'
import { callApi, fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { nodeFlags } from '../../src/setup/lean-node.ts'
import type { PointReached } from '../../src/test-points.ts'
import { clearDeployment } from './leavings.ts'
import { makeOwnedDirectory, sweepLeftovers } from './owned-directory.ts'
import { startRedis, type TestRedis, type TestRedisOptions } from './redis.ts'
import { startEngine, type TestEngine, type TestEngineOptions } from './engine.ts'

/**
 * Real processes of the product: a Redis, API processes and workers, on an engine of their own (two deployments cannot
 * both have a bridge `lxdbr0`).
 */
export interface TestWindlass extends AsyncDisposable {
  readonly redis: TestRedis
  readonly socket: string
  readonly dataDir: string
  readonly engine: TestEngine
  readonly workers: TestProcess[]
  readonly api: TestProcess
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>
  /** Sends the request, expects 202, waits for the end; the operation as it ended. */
  operate(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Operation>
  /** The operation of an accepted request when it has ended. */
  ended(accepted: ApiAnswer): Promise<Operation>
  startWorker(env?: Record<string, string>): Promise<TestProcess>
  startApi(env?: Record<string, string>): Promise<TestProcess & { socket: string }>
}

export interface TestProcess {
  readonly pid: number
  readonly exited: Promise<number | null>
  kill(signal: NodeJS.Signals): void
  /** Where it serves HTTP, if it does. */
  readonly url: string | undefined
  /** And HTTPS. */
  readonly https: string | undefined
  /** Where it serves dialects that have ports of their own, by name. */
  readonly dialects: Readonly<Record<string, string>>
  /** Everything it has printed so far. */
  output(): string
  /** Resolves when all these points (see src/test-points.ts) hold an operation each. */
  holds(points: readonly string[]): Promise<void>
  /** Lets the operation held at this point go on. */
  letGo(point: string): void
  /** Called for each point at which an operation has been held; `letOn` lets it go on. */
  onPoint(listener: (reached: PointReached) => void): void
  letOn(reached: PointReached): void
  /** Sends it a message. */
  tell(message: object): void
}

/** LXD's operation, as far as tests look at it. */
export interface Operation {
  id: string
  status: string
  status_code: number
  err: string
  metadata: Record<string, unknown> | null
  resources: Record<string, string[]> | null
  windlass: { attempts: number; undone: string[]; warnings: string[]; worker: string; steps: string[] }
}

const PREFIX = 'windlass-test-'

interface Servers {
  redis: TestRedis
  engine: TestEngine
}

export interface TestWindlassOptions {
  workers?: number
  /** For all processes; may depend on what they are to run against. */
  env?: Record<string, string> | ((servers: Servers) => Promise<Record<string, string>>)
  engine?: TestEngineOptions
  redis?: TestRedisOptions
}

export async function startWindlass(options: TestWindlassOptions = {}): Promise<TestWindlass> {
  const dataDir = await makeOwnedDirectory(PREFIX)
  const [redis, engine] = await Promise.all([startRedis(options.redis), startEngine(options.engine)])
  const clear = async (directory: string) => (engine.stays ? clearDeployment(engine.socket, directory) : undefined)
  await sweepLeftovers(PREFIX, clear)
  const processes: Started[] = []
  const base = {
    WINDLASS_DATA_DIR: dataDir,
    WINDLASS_HTTP: 'off',
    WINDLASS_HTTPS: 'off',
    REDIS_URL: `unix://${redis.socket}`,
    DOCKER_HOST: engine.dockerHost,
    LOG_LEVEL: 'warn',
    ...(typeof options.env === 'function' ? await options.env({ redis, engine }) : options.env),
  }
  const start = async (command: string, env: Record<string, string>): Promise<Started> => {
    const started = await startProcess(command, { ...base, ...env })
    processes.push(started)
    return started
  }
  let apis = 0
  const startApi = async (env: Record<string, string> = {}) => {
    const socket = join(dataDir, `api-${++apis}.sock`)
    return Object.assign(await start('serve', { WINDLASS_SOCKET: socket, ...env }), { socket })
  }
  const startWorker = (env: Record<string, string> = {}) => start('worker', env)
  const dispose = async () => {
    for (const { child } of processes) child.kill('SIGKILL')
    await Promise.all(processes.map(({ exited }) => exited))
    await clear(dataDir)
    await Promise.all([redis[Symbol.asyncDispose](), engine[Symbol.asyncDispose]()])
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    const [api, ...workers] = await Promise.all([
      startApi(),
      ...Array.from({ length: options.workers ?? 1 }, () => startWorker()),
    ])
    const { socket } = api
    const call: TestWindlass['call'] = (method, path, body, headers) =>
      callApi(socket, {
        method,
        path,
        ...(body === undefined ? {} : { body }),
        ...(headers === undefined ? {} : { headers }),
      })
    const ended: TestWindlass['ended'] = async (accepted) => {
      if (accepted.status !== 202) throw new Error(`Expected 202, got ${accepted.status}: ${accepted.text}`)
      const waited = await call('GET', `${String(fieldOf(accepted.body, 'operation'))}/wait?timeout=120`)
      return fieldOf(waited.body, 'metadata') as Operation // the wire's shape is checked by the API's own tests
    }
    const operate: TestWindlass['operate'] = async (...request) => ended(await call(...request))
    return {
      redis,
      engine,
      socket,
      dataDir,
      workers,
      api,
      call,
      operate,
      ended,
      startWorker,
      startApi,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

type ReadyMessage = { url?: string; https?: string; dialects?: Record<string, string> }
type Started = TestProcess & { child: ChildProcess }

async function startProcess(command: string, env: Record<string, string>): Promise<Started> {
  const child = spawn(process.execPath, [...nodeFlags(command), 'src/main.ts', command], {
    env: { PATH: ownEnv['PATH'] ?? '', HOME: ownEnv['HOME'] ?? '', ...compiledCode(), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
  const exited = once(child, 'exit').then(([code]: (number | null)[]) => code ?? null)
  const held = holding(child)
  const ready = once(child, 'message').then(([message]: ReadyMessage[]) => message ?? {})
  const outcome = await Promise.race([ready, exited])
  if (typeof outcome !== 'object' || outcome === null)
    throw new Error(`${command} ended with ${outcome} before it was ready:\n${output}`)
  const { url, https, dialects = {} } = outcome
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} has no pid`)
  return {
    child,
    pid,
    url,
    https,
    dialects,
    exited,
    kill: (signal) => void child.kill(signal),
    output: () => output,
    ...held,
  }
}

/** What the command has compiled already, as `npm start` has it; without it a process takes a second longer to start. */
function compiledCode(): Record<string, string> {
  const { NODE_COMPILE_CACHE: compiled } = ownEnv
  return compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }
}

/** The points at which a worker holds operations, as it tells them. */
function holding(child: ChildProcess): Pick<TestProcess, 'holds' | 'letGo' | 'onPoint' | 'letOn' | 'tell'> {
  const held = new Map<string, string>()
  const told: PointReached[] = []
  const listeners: ((reached: PointReached) => void)[] = []
  const changed = new EventTarget()
  child.on('message', (message: PointReached | { type: 'ready' }) => {
    if (message.type !== 'point') return
    held.set(message.point, message.operation)
    if (listeners.length === 0) told.push(message)
    for (const listener of listeners) listener(message)
    changed.dispatchEvent(new Event('held'))
  })
  return {
    holds: (points) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const look = (): void => {
        if (points.every((point) => held.has(point))) resolve()
      }
      changed.addEventListener('held', look)
      look()
      return promise
    },
    letGo: (point) => void child.send({ type: 'go', point, operation: held.get(point) }),
    onPoint: (listener) => {
      listeners.push(listener)
      told.splice(0).forEach(listener)
    },
    tell: (message) => {
      if (child.connected) child.send(message)
    },
    letOn: ({ point, operation }) => {
      // One that was killed meanwhile is let go by that.
      if (child.connected) child.send({ type: 'go', point, operation })
    },
  }
}
