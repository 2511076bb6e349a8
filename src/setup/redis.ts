import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Environment, findProgram, outputOf, SetupError } from './host.ts'
import { commandLineOf, isGoneWithin, sendSignal } from './processes.ts'

const OLDEST: readonly [number, number] = [6, 2]

/** A server program that can be our Redis. */
export interface RedisProgram {
  readonly path: string
  /** Such as `7.0.15`. */
  readonly version: string
}

/** redis-server or valkey-server of 6.2 or newer; undefined where there is none. */
export async function findRedisServer(env: Environment): Promise<RedisProgram | undefined> {
  for (const name of ['redis-server', 'valkey-server']) {
    const path = await findProgram(name, env)
    const version = path === undefined ? undefined : parseRedisVersion((await outputOf(path, '--version')) ?? '')
    if (path !== undefined && version !== undefined && isNewEnough(version)) return { path, version }
  }
  return undefined
}

/** The version in `Redis server v=7.0.15 sha=…` or `Valkey server v=8.0.1 …`. */
export function parseRedisVersion(text: string): string | undefined {
  return /\bv=(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1]
}

/** Is it 6.2 or newer? */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

/** Where our own Redis listens. */
export function redisSocket(dataDir: string): string {
  return join(dataDir, 'redis.sock')
}

/** Its pid file: how a later start finds one whose supervisor was killed. */
export function redisPidFile(dataDir: string): string {
  return join(dataDir, 'redis.pid')
}

/** Arguments of our own Redis: no port, everything written before it is answered, nothing ever evicted. */
export function redisArguments(dataDir: string): string[] {
  const settings: Readonly<Record<string, string>> = {
    port: '0',
    unixsocket: redisSocket(dataDir),
    unixsocketperm: '700',
    pidfile: redisPidFile(dataDir),
    dir: join(dataDir, 'redis'),
    appendonly: 'yes',
    appendfsync: 'always',
    'maxmemory-policy': 'noeviction',
    // Snapshots besides the append-only file would only cost memory and time.
    save: '',
  }
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
}

/** Ends the Redis of a killed supervisor in order: it still holds our data. True if there was one. */
export async function endOrphanedRedis(dataDir: string): Promise<boolean> {
  const pid = Number(await readFile(redisPidFile(dataDir), 'utf8').catch(() => '0'))
  if (!(pid > 0)) return false
  const title = await commandLineOf(pid)
  // Redis names its socket in its title; the number may be another program's by now.
  if (!title.includes(redisSocket(dataDir))) return false
  sendSignal(pid, 'SIGTERM')
  if (!(await isGoneWithin(pid, 10_000)))
    throw new SetupError(`A Redis of an earlier start (process ${pid}) does not end.`)
  return true
}
