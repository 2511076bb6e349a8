// `up` starts everything and keeps it running: Redis, one API process and the workers, each in a process group of its
// own. What it expects of the command line:
//
//   node <entry> serve     the API process
//   node <entry> worker    one worker process
//
// Both get the caller's environment plus WINDLASS_DATA_DIR, WINDLASS_HTTP, WINDLASS_HTTPS, WINDLASS_SOCKET, REDIS_URL (our own Redis is
// `unix:///<data dir>/redis.sock`) and DOCKER_HOST. Both say once over the IPC channel that they are ready:
//
//   process.send?.({ type: 'ready', url, https, socket, docs, tokenFile, dialects })   // serve: listening, Redis and engine connected
//   process.send?.({ type: 'ready' })                                 // worker: taking jobs
//
// `url` and `docs` are left out with WINDLASS_HTTP=off, `tokenFile` where WINDLASS_TOKEN is used. SIGTERM means drain
// and end, and so does `process.once('disconnect', …)`: this supervisor has died. A socket file that a killed process
// has left is theirs to replace.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { whenAborted } from '../core/when-aborted.ts'
import { ensureBusybox } from './busybox.ts'
import { ensureEngine } from './engine.ts'
import { describeStart, type ReadyNote, readReadyNote } from './describe-start.ts'
import { type Environment, findProgram, SetupError, type Terminal } from './host.ts'
import { nodeFlags } from './lean-node.ts'
import { takeLock } from './lock.ts'
import { type LineSink, logLine } from './log-lines.ts'
import { installParts, type SetupContext } from './packages.ts'
import { type ListenAddress, refuseBusyPort } from './ports.ts'
import { publishStarterImage } from './publish-starter.ts'
import { endOrphanedRedis, findRedisServer, redisArguments, redisSocket } from './redis.ts'
import { type ChildPlan, supervise, type Supervised } from './supervise.ts'

/** What `up` is told; everything comes from the settings, nothing is read from the process. */
export interface UpOptions {
  /** The command line's script: `src/main.ts`. */
  readonly entry: string
  /** Folder for what set-up unpacks and Node compiles (`.cache` of the checkout). */
  readonly cache: string
  /** Environment handed on to the processes. */
  readonly env: Environment
  readonly dataDir: string
  /** Undefined with WINDLASS_HTTP=off. */
  readonly http: ListenAddress | undefined
  /** Undefined with WINDLASS_HTTPS=off. */
  readonly https: ListenAddress | undefined
  /** Undefined with WINDLASS_SOCKET=off: then no starter image is made. */
  readonly socket: string | undefined
  readonly workers: number
  /** A foreign Redis, instead of one of our own. */
  readonly redisUrl: string | undefined
  /** Was `--yes` given? */
  readonly yes: boolean
}

/** Where `up` speaks: to the person (or the journal), and the lines of the processes. */
export interface UpOutput {
  readonly terminal: Terminal
  /** Is standard output a terminal? Only then the token is shown. */
  readonly isTerminal: boolean
  /** Standard output. */
  print(text: string): void
  readonly sink: LineSink
}

// Together below 10 s, the time a stop may take.
const STOP_API_MS = 3_500
const STOP_WORKERS_MS = 3_500
const STOP_REDIS_MS = 2_000
const LONGEST_SOCKET_PATH = 107
const redisCourtesy =
  /oO0Oo|Redis version=|Configuration loaded|Server initialized|User requested shutdown|ready to exit/

/**
 * Sets the machine up, starts all processes, says where the server is, and keeps them running until `stop` is aborted;
 * then stops API, workers and Redis in that order. Throws a SetupError where starting fails; nothing is left running then.
 */
export async function up(options: UpOptions, output: UpOutput, stop: AbortSignal): Promise<void> {
  refuseLongSocketPaths(options)
  await mkdir(join(options.dataDir, 'redis'), { recursive: true, mode: 0o700 })
  const lock = await takeLock(options.dataDir)
  const running: Running = { redis: [], workers: [], api: [] }
  const stopped = whenAborted(stop)
  try {
    await Promise.race([start(options, output, running, stop), stopped])
    await stopped
  } finally {
    await drain(running, output.sink)
    await lock.release()
  }
}

interface Running {
  readonly redis: Supervised[]
  readonly workers: Supervised[]
  readonly api: Supervised[]
}

async function start(options: UpOptions, output: UpOutput, running: Running, stop: AbortSignal): Promise<void> {
  const context: SetupContext = { env: options.env, terminal: output.terminal, yes: options.yes }
  await refuseBusyPort(options.http, 'WINDLASS_HTTP')
  await refuseBusyPort(options.https, 'WINDLASS_HTTPS')
  const redis = options.redisUrl === undefined ? await ensureRedis(context) : undefined
  const dockerHost = await ensureEngine(options.dataDir, context)
  const busybox = await ensureBusybox(options.cache, options.env, output.terminal)
  if (redis !== undefined) await endOrphanedRedis(options.dataDir)
  // Nothing may be started any more once the stop has gone through what runs.
  stop.throwIfAborted()
  if (redis !== undefined) await startRedis(redis, options, output, running)
  stop.throwIfAborted()
  const env = childEnvironment(options, dockerHost)
  const keep = (name: string, command: string): Supervised =>
    supervise(
      { name, command: [process.execPath, ...nodeFlags(command), options.entry, command], env, ready: 'message' },
      output.sink,
    )
  running.api.push(keep('api', 'serve'))
  for (let i = 1; i <= options.workers; i++) {
    running.workers.push(keep(`worker ${i}`, 'worker'))
  }
  const [note] = await Promise.all([...running.api, ...running.workers].map((child) => child.ready))
  await announce(readReadyNote(note, options.socket), busybox, options, output)
}

async function announce(
  note: ReadyNote,
  busybox: string | undefined,
  options: UpOptions,
  output: UpOutput,
): Promise<void> {
  const starter = await bringStarterImage(note.socket, busybox)
  output.sink('up', logLine(starter.isBad ? 40 : 30, starter.text))
  const token = note.tokenFile === undefined ? undefined : await readFile(note.tokenFile, 'utf8').catch(() => undefined)
  const facts = { note, token: output.isTerminal ? token?.trim() : undefined, env: options.env }
  output.print(describeStart(facts))
}

/** A server without its starter image is still a server. */
async function bringStarterImage(
  socket: string | undefined,
  busybox: string | undefined,
): Promise<{ text: string; isBad: boolean }> {
  if (socket === undefined) return { text: 'without a unix socket no starter image is made', isBad: true }
  if (busybox === undefined) return { text: 'no static busybox here, so no starter image: pull one', isBad: true }
  return publishStarterImage(socket, busybox).then(
    (outcome) => ({ text: `starter image busybox: ${outcome}`, isBad: false }),
    (error: unknown) => ({ text: `starter image busybox: ${String(error)}`, isBad: true }),
  )
}

async function ensureRedis(context: SetupContext): Promise<string> {
  const found = await findRedisServer(context.env)
  if (found !== undefined) return found.path
  await installParts(['redis'], context)
  const installed = await findRedisServer(context.env)
  if (installed !== undefined) return installed.path
  const old = await findProgram('redis-server', context.env)
  throw new SetupError(
    old === undefined
      ? 'No redis-server was found after installing it: install Redis 6.2 or newer, or set REDIS_URL.'
      : `${old} is older than 6.2: install a newer Redis or Valkey, or set REDIS_URL.`,
  )
}

async function startRedis(program: string, options: UpOptions, output: UpOutput, running: Running): Promise<void> {
  const plan: ChildPlan = {
    name: 'redis',
    command: [program, ...redisArguments(options.dataDir)],
    env: options.env,
    ready: /ready to accept connections/i,
    // Redis marks warnings, and its own coming and going, with a # behind the date.
    isShown: (line) => / # /.test(line) && !redisCourtesy.test(line),
  }
  const redis = supervise(plan, output.sink)
  running.redis.push(redis)
  await redis.ready
}

function childEnvironment(options: UpOptions, dockerHost: string): Environment {
  return {
    // What was compiled once is not compiled again, and the compiler, which is large, is not even loaded.
    NODE_COMPILE_CACHE: join(options.cache, 'compile'),
    ...options.env,
    WINDLASS_DATA_DIR: options.dataDir,
    WINDLASS_HTTP: settingOf(options.http),
    WINDLASS_HTTPS: settingOf(options.https),
    WINDLASS_SOCKET: options.socket ?? 'off',
    REDIS_URL: options.redisUrl ?? `unix://${redisSocket(options.dataDir)}`,
    DOCKER_HOST: dockerHost,
  }
}

function settingOf(address: ListenAddress | undefined): string {
  return address === undefined ? 'off' : `${address.host}:${address.port}`
}

function refuseLongSocketPaths({ socket, dataDir }: UpOptions): void {
  for (const path of [socket ?? '', redisSocket(dataDir)]) {
    if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
      throw new SetupError(
        `${path} is longer than the ${LONGEST_SOCKET_PATH} bytes a socket may have: set WINDLASS_DATA_DIR to a shorter one.`,
      )
    }
  }
}

async function drain({ api, workers, redis }: Running, sink: LineSink): Promise<void> {
  if (api.length + workers.length + redis.length > 0) sink('up', logLine(30, 'stopping'))
  await Promise.all(api.map((child) => child.stop(STOP_API_MS)))
  await Promise.all(workers.map((child) => child.stop(STOP_WORKERS_MS)))
  await Promise.all(redis.map((child) => child.stop(STOP_REDIS_MS)))
}
