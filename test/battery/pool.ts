/** Workers, each behind relays of its own, that tell every point they come to; what is killed is replaced. */
import { join } from 'node:path'
import type { PointReached } from '../../src/test-points.ts'
import type { TestProcess, TestWindlass } from '../support/windlass.ts'
import { openProxy, type Proxy } from './proxy.ts'
import type { Random } from './random.ts'

/** One worker process with one operation at a time. */
export interface Performer {
  readonly process: TestProcess
  readonly engine: Proxy
  readonly redis: Proxy
}

/** Decides what becomes of an operation held at a point: it must let it go on, or end the performer. */
export type Watcher = (reached: PointReached, performer: Performer) => void

export interface Pool extends AsyncDisposable {
  readonly performers: ReadonlySet<Performer>
  /** Watches operations of a kind on an entity until the returned function is called; others are let go on. */
  watch(kind: string, entity: string, watcher: Watcher): () => void
  letOn(performer: Performer, reached: PointReached): void
  /** SIGKILL; another one is started in its place. */
  kill(performer: Performer): void
  /** As many as at first, all of them ready. */
  whole(): Promise<void>
  /** What they and the last ones before them have said, the end of it. */
  logs(): Record<string, string>
  /** What the one of this pid has said, as far as it is kept. */
  output(pid: number): string
  /** Ends one by SIGTERM and starts another; what ending took, milliseconds. */
  renew(performer: Performer): Promise<number>
}

/** Characters of a worker's log, and workers that have ended, that are kept for histories. */
const LOG = 4_000
const KEPT = 16

export interface PoolOptions {
  size: number
  /** Milliseconds; undefined: the product's own. */
  lock: number | undefined
  random: Random
  env?: Record<string, string>
}

export async function openPool(windlass: TestWindlass, { size, lock, random, env }: PoolOptions): Promise<Pool> {
  const performers = new Set<Performer>()
  const starting = new Set<Promise<void>>()
  const watchers = new Map<string, Watcher>()
  const dead = new Map<string, string>()
  let count = 0
  let closed = false

  async function start(): Promise<void> {
    const n = ++count
    const path = (what: string) => join(windlass.dataDir, `${what}-${n}.sock`)
    const engine = await openProxy(path('engine'), windlass.engine.socket, random)
    const redis = await openProxy(path('redis'), windlass.redis.socket, random)
    const process = await windlass.startWorker({
      DOCKER_HOST: `unix://${engine.path}`,
      REDIS_URL: `unix://${redis.path}`,
      WINDLASS_WORKER_NAME: `w${n}`,
      WINDLASS_CONCURRENCY: '1',
      WINDLASS_TEST_POINT: 'all',
      NODE_OPTIONS: '--import=./test/battery/mischief.ts',
      ...(lock === undefined ? {} : { WINDLASS_TEST_LOCK: String(lock) }),
      ...env,
    })
    const performer: Performer = { process, engine, redis }
    process.onPoint((reached) => {
      const kind = reached.point.split('.').slice(0, 2).join('.')
      const watcher = watchers.get(`${kind}@${reached.entity}`)
      if (watcher === undefined) process.letOn(reached)
      else watcher(reached, performer)
    })
    performers.add(performer)
    void process.exited.then(() => gone(performer))
  }

  /** Whatever ended it: there is to be another one. */
  async function gone(performer: Performer): Promise<void> {
    performers.delete(performer)
    dead.set(String(performer.process.pid), performer.process.output().slice(-LOG))
    for (const oldest of [...dead.keys()].slice(0, -KEPT)) dead.delete(oldest)
    await performer.engine[Symbol.asyncDispose]()
    await performer.redis[Symbol.asyncDispose]()
    if (!closed) begin()
  }

  function begin(): void {
    const started: Promise<void> = start().then(
      () => void starting.delete(started),
      (error: unknown) => {
        starting.delete(started)
        // Redis or the engine may be away just now.
        if (!closed) setTimeout(begin, 500)
        if (!closed) process.stderr.write(`A worker did not start: ${String(error).slice(0, 300)}\n`)
      },
    )
    starting.add(started)
  }

  async function whole(): Promise<void> {
    while (performers.size < size) await Promise.race([...starting, new Promise((done) => setTimeout(done, 50))])
  }

  for (let n = 0; n < size; n++) begin()
  await whole()
  return {
    performers,
    watch: (kind, entity, watcher) => {
      const key = `${kind}@${entity}`
      watchers.set(key, watcher)
      return () => void watchers.delete(key)
    },
    letOn: (performer, reached) => performer.process.letOn(reached),
    kill: (performer) => performer.process.kill('SIGKILL'),
    whole,
    logs: () => ({
      ...Object.fromEntries(dead),
      ...Object.fromEntries([...performers].map(({ process }) => [process.pid, process.output().slice(-LOG)])),
    }),
    output: (pid) =>
      [...performers].find(({ process }) => process.pid === pid)?.process.output() ?? dead.get(String(pid)) ?? '',
    renew: async (performer) => {
      const began = performance.now()
      performer.process.kill('SIGTERM')
      await performer.process.exited
      return performance.now() - began
    },
    [Symbol.asyncDispose]: async () => {
      closed = true
      for (const performer of performers) performer.process.kill('SIGKILL')
      await Promise.allSettled(starting)
      for (const performer of performers) performer.process.kill('SIGKILL')
    },
  }
}
