import type { HeldClaim } from '../core/ports.ts'
import { type Database, runScript } from './scripts.ts'

const FINAL = new Set(['success', 'failure', 'cancelled'])
/** Keys looked at by one step of a scan, and states asked for with one write to the socket. */
const STEP = 1_000

/** Everything that is held for an operation that has ended or is not there. Looks at every key, a step at a time. */
export async function findStrayClaims(database: Database): Promise<HeldClaim[]> {
  const held = await readClaims(database)
  const live = await liveOf(database, new Set(held.map(({ operation }) => operation)))
  return held.filter(({ operation }) => !live.has(operation))
}

/** Freed only if it is still so. */
export async function freeClaim(database: Database, { type, place, field, operation }: HeldClaim): Promise<boolean> {
  return (await runScript(database, 'free-claim', [type, place, field, operation])) === 1
}

async function readClaims(database: Database): Promise<HeldClaim[]> {
  const { connection, keys } = database
  const [names, uses, secrets] = await Promise.all([
    scan(database, 'resv:*'),
    scan(database, 'use:*'),
    scan(database, 'secret:*'),
  ])
  const claims: HeldClaim[] = secrets.map((operation) => ({ type: 'secret', place: '', field: '', operation }))
  await connection.run(async (redis) => {
    for (const place of names)
      for (const [field, operation] of Object.entries(await redis.hgetall(keys.key('resv', place))))
        claims.push({ type: 'resv', place, field, operation })
    for (const place of uses)
      for (const operation of await redis.hkeys(keys.key('use', place)))
        claims.push({ type: 'use', place, field: '', operation })
    for (const [field, owner] of Object.entries(await redis.hgetall(keys.key('busy'))))
      claims.push({ type: 'busy', place: '', field, operation: owner.slice(0, owner.indexOf(' ')) })
    for (const operation of await redis.zrange(keys.key('ops', 'open'), '0', '-1'))
      claims.push({ type: 'open', place: '', field: '', operation })
  })
  return claims
}

/** The rests of the keys that match. */
async function scan({ connection, keys }: Database, pattern: string): Promise<string[]> {
  const found = new Set<string>()
  const skipped = keys.key(pattern.replace('*', '')).length
  let cursor = '0'
  do {
    const at = cursor
    const [next, batch] = await connection.run((redis) => redis.scan(at, 'MATCH', keys.key(pattern), 'COUNT', STEP))
    for (const key of batch) found.add(key.slice(skipped))
    cursor = next
  } while (cursor !== '0')
  return [...found]
}

async function liveOf({ connection, keys }: Database, ids: Set<string>): Promise<Set<string>> {
  const all = [...ids]
  const live = new Set<string>()
  for (let at = 0; at < all.length; at += STEP) {
    const batch = all.slice(at, at + STEP)
    const states = await connection.run((redis) =>
      Promise.all(batch.map((id) => redis.hget(keys.key('op', id), 'state'))),
    )
    for (const [index, state] of states.entries()) if (state !== null && !FINAL.has(state)) live.add(batch[index] ?? '')
  }
  return live
}
