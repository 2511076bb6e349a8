/** Real adapters joined for one process: opened in order, closed in reverse by one `close()`. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pino, { type Logger, type LoggerOptions } from 'pino'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import type { Clock, JobQueue, OperationStore, RecordStore } from './core/ports.ts'
import type { Engine } from './core/engine.ts'
import { LOST_RECORDS, tellLostRecords } from './lost-records.ts'
import { createDockerEngine } from './engine/docker/connect.ts'
import { openRedis, type Connection, type RedisAddress, type RedisRole } from './redis/connection.ts'
import { checkRedis, deploymentId } from './redis/deployment.ts'
import { openJobQueue } from './redis/job-queue.ts'
import { makeKeys } from './redis/keys.ts'
import { createLogTeller } from './redis/log-teller.ts'
import { createRedisOperationStore } from './redis/operation-store.ts'
import { createRedisRecordStore } from './redis/record-store.ts'
import type { Database } from './redis/scripts.ts'
import { type ClientCertificate, findTools, readClientCertificate } from './setup/docker-client.ts'
import { redisSocket } from './setup/redis.ts'

/** What every process of the server has. */
export interface Deps {
  config: Config
  log: Logger
  clock: Clock
  deployment: string
  /** When the deployment began, milliseconds since 1970. */
  birth: number
  database: Database
  store: OperationStore
  records: RecordStore
  queue: JobQueue
  engines: Map<string, Engine>
  /** A further connection, closed with the rest. */
  connect(role: RedisRole): Connection
  /** Closed with the rest, before everything that was opened earlier. */
  onClose(close: () => Promise<void> | void): void
  close(): Promise<void>
}

/** Where the starter unpacks what the machine lacks. */
const CACHE = join(import.meta.dirname, '..', '.cache')

/** Milliseconds to wait for Redis when a process starts. */
const PATIENCE = 15_000

/** Milliseconds within which everything has to let go when a process ends. */
const CLOSING = 5_000

function leave(log: Logger): never {
  log.warn('Not everything could be closed in time: leaving')
  process.exit(1)
}

export async function openDeps(config: Config, role: Extract<RedisRole, 'api' | 'worker'>): Promise<Deps> {
  const teller = createLogTeller()
  const log = openLog(config, teller.tell)
  const closing: (() => Promise<void> | void)[] = []
  const onClose = (close: () => Promise<void> | void): void => void closing.push(close)
  const close = async (): Promise<void> => {
    // A Redis or an engine that is away keeps no process from leaving.
    const late = setTimeout(() => leave(log), CLOSING)
    for (let next = closing.pop(); next !== undefined; next = closing.pop()) await next()
    late.unref()
  }
  const connect = (as: RedisRole): Connection => {
    const connection = openRedis({
      ...addressOf(config),
      role: as,
      onError: (error) => log.warn({ err: error }, 'Redis'),
    })
    onClose(() => connection.close())
    return connection
  }
  try {
    const connection = connect(role)
    await connection.ready(PATIENCE)
    await checkRedis(connection, { allowUnsafe: config.WINDLASS_UNSAFE_REDIS === 'yes' })
    const { id, birth, outcome } = await knownDeployment(connection, config, log)
    const database: Database = { connection, keys: makeKeys(id) }
    const records = createRedisRecordStore(database)
    if (outcome === 'restored') await tellLostRecords({ records, clock: systemClock })
    teller.connect(database)
    onClose(() => teller.stop())
    const queue = openJobQueue({
      connection,
      keys: database.keys,
      onError: (error) => log.warn({ err: error }, 'Queue'),
    })
    onClose(() => queue.close())
    const engine = await openEngine(config, id)
    onClose(() => engine.close())
    return {
      config,
      log,
      clock: systemClock,
      deployment: id,
      birth,
      database,
      store: createRedisOperationStore(database),
      records,
      queue,
      engines: new Map([[engine.member, engine]]),
      connect,
      onClose,
      close,
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

async function openEngine(config: Config, deployment: string): Promise<Engine> {
  return createDockerEngine({
    member: config.WINDLASS_MEMBER,
    deployment,
    dockerHost: dockerHostOf(config),
    tls: await tlsOf(config),
    tools: await findTools(CACHE),
  })
}

/** Writes to standard output; each line is told as well. */
function openLog(config: Config, tell: (line: string) => void): Logger {
  const options: LoggerOptions = {
    level: config.LOG_LEVEL,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['req.headers.authorization', '*.token', '*.secret', '*.password'], censor: '[secret]' },
  }
  const output = pino.destination(1)
  const write = (line: string) => {
    output.write(line)
    tell(line)
  }
  return pino(options, { write })
}

/** Without REDIS_URL it is the one that `npm start` keeps in the data directory. */
function addressOf({ REDIS_URL, WINDLASS_DATA_DIR }: Config): RedisAddress {
  if (REDIS_URL === undefined) return { path: redisSocket(WINDLASS_DATA_DIR) }
  return REDIS_URL.startsWith('unix://') ? { path: REDIS_URL.slice('unix://'.length) } : { url: REDIS_URL }
}

function dockerHostOf({ DOCKER_HOST }: Config): string {
  return DOCKER_HOST ?? 'unix:///var/run/docker.sock'
}

/** As Docker's own client: a socket is trusted by its permissions alone. */
async function tlsOf(config: Config): Promise<ClientCertificate | undefined> {
  if (!config.DOCKER_TLS_VERIFY || !dockerHostOf(config).startsWith('tcp://')) return undefined
  return readClientCertificate(config.DOCKER_CERT_PATH)
}

/** The deployment's id is kept in Redis and beside our own files: two that do not belong together are not mixed up. */
async function knownDeployment(connection: Connection, config: Config, log: Logger) {
  const file = join(config.WINDLASS_DATA_DIR, 'deployment')
  await mkdir(config.WINDLASS_DATA_DIR, { recursive: true, mode: 0o700 })
  const expected = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
  const found = await deploymentId(connection, { expected, now: systemClock.now() })
  if (found.outcome === 'restored') log.error({ deployment: found.id }, LOST_RECORDS)
  if (found.outcome === 'mismatch')
    log.error(
      { expected, found: found.id },
      'This Redis belongs to another deployment than the data directory; objects of the earlier one are left alone',
    )
  if (expected !== found.id) {
    await writeFile(file, `${found.id}\n`, { mode: 0o600 })
    await chmod(file, 0o600)
  }
  return found
}
