import { randomUUID } from 'node:crypto'
import { unavailable } from '../core/failure.ts'
import type { Connection } from './connection.ts'

/** Where the deployment of this Redis is written; outside of every deployment's own keys. */
const DEPLOYMENT = 'windlass:deployment'

/**
 * `same`: as expected, or nothing was expected. `made`: a new one. `restored`: Redis knew none and took the expected
 * one; its records are gone. `mismatch`: Redis belongs to another deployment, which is the one given.
 */
export interface Deployment {
  outcome: 'same' | 'made' | 'restored' | 'mismatch'
  id: string
  /** When it began, or was restored; milliseconds since 1970. */
  birth: number
}

/** The deployment's id, made when there is none. `expected` is what the data directory says. */
export async function deploymentId(
  connection: Connection,
  { expected, now }: { expected: string | undefined; now: number },
): Promise<Deployment> {
  const own = { id: expected ?? randomUUID(), birth: now }
  const [made, text] = await connection.run(async (redis) => {
    const set = await redis.setnx(DEPLOYMENT, JSON.stringify(own))
    return [set === 1, (await redis.get(DEPLOYMENT)) ?? JSON.stringify(own)] as const
  })
  const { id, birth }: { id: string; birth: number } = JSON.parse(text)
  if (made) return { outcome: expected === undefined ? 'made' : 'restored', id, birth }
  return { outcome: expected === undefined || expected === id ? 'same' : 'mismatch', id, birth }
}

const OLDEST = [6, 2] as const

/** Refuses a Redis that would lose operations, naming why: too old, without append-only file, or evicting keys. */
export async function checkRedis(connection: Connection, { allowUnsafe }: { allowUnsafe: boolean }): Promise<void> {
  const info = parseInfo(await connection.run((redis) => redis.info()))
  const reasons = reasonsAgainst(info)
  if (reasons.length === 0 || allowUnsafe) return
  throw unavailable(`This Redis cannot keep operations: ${reasons.join('; ')}`)
}

/** Why a Redis with this INFO must not be used; empty when it may. */
export function reasonsAgainst(info: ReadonlyMap<string, string>): string[] {
  const reasons: string[] = []
  const version = info.get('redis_version') ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    reasons.push(`it is version ${version}, older than ${OLDEST.join('.')}`)
  if (info.get('aof_enabled') !== '1')
    reasons.push('it has no append-only file and would lose acknowledged operations at a crash (set appendonly yes)')
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction')
    reasons.push(`it removes keys when its memory is full (maxmemory-policy is ${policy}, set noeviction)`)
  return reasons
}

/** INFO's lines → name and value. */
export function parseInfo(text: string): Map<string, string> {
  const pairs = text
    .split(/\r?\n/)
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
  return new Map(pairs)
}
