import type { OperationRecord } from '../contract/operation-record.ts'
import type { Acceptance, OperationFigures, OperationStore } from '../core/ports.ts'
import { toScriptChanges } from './changes.ts'
import { toRefusal, toTexts } from './decode.ts'
import { readHistory } from './history.ts'
import { createCourse } from './operation-course.ts'
import { readOperations } from './read-operations.ts'
import { findStrayClaims, freeClaim } from './stray-claims.ts'
import { type Database, runScript } from './scripts.ts'

/** Ended operations forgotten by one call of `prune`. */
const PRUNED_AT_ONCE = 500

/** The operation store over the scripts in `lua/`. */
export function createRedisOperationStore(database: Database): OperationStore {
  const { connection, keys } = database

  async function accept(acceptance: Acceptance) {
    const answer = toTexts(await runScript(database, 'accept', encodeAcceptance(acceptance)))
    if (answer[0] !== 'accepted') return toRefusal(answer)
    return { outcome: 'accepted', operation: toPending(acceptance) } as const
  }

  async function busy(key: string) {
    const held = await connection.run((redis) => redis.hget(keys.key('busy'), key))
    if (held === null) return undefined
    const space = held.indexOf(' ')
    return { operation: held.slice(0, space), action: held.slice(space + 1) }
  }

  async function prune(before: number, keep: number): Promise<number> {
    return Number(await runScript(database, 'prune', [before, keep, PRUNED_AT_ONCE].map(String)))
  }

  return {
    ...createCourse(database),
    accept,
    get: async (id) => (await readOperations(database, [id]))[0],
    getMany: (ids) => readOperations(database, ids),
    recent: (project, endedAfter) => readRecent(database, project, endedAfter),
    history: (query) => readHistory(database, query),
    unfinished: (before, limit, skip = 0) =>
      connection.run((redis) =>
        redis.zrange(keys.key('ops', 'open'), '-inf', `(${before}`, 'BYSCORE', 'LIMIT', skip, limit),
      ),
    busy,
    strayClaims: () => findStrayClaims(database),
    freeClaim: (claim) => freeClaim(database, claim),
    prune,
    figures: () => readFigures(database),
  }
}

async function readRecent(database: Database, project: string | undefined, endedAfter: number) {
  const { connection, keys } = database
  const [open, ended] = await connection.run((redis) =>
    Promise.all([
      redis.zrange(keys.key('ops', 'open'), '0', '-1'),
      redis.zrange(keys.key('ops', 'ended'), String(endedAfter), '+inf', 'BYSCORE'),
    ]),
  )
  const operations: OperationRecord[] = await readOperations(database, [...new Set([...open, ...ended])])
  return operations
    .filter((operation) => project === undefined || operation.project === project)
    .toSorted((a, b) => a.created - b.created)
}

async function readFigures({ connection, keys }: Database): Promise<OperationFigures> {
  const [open, running, counts] = await connection.run((redis) =>
    Promise.all([
      redis.zcard(keys.key('ops', 'open')),
      redis.scard(keys.key('ops', 'running')),
      redis.hgetall(keys.key('counts')),
    ]),
  )
  const ended = Object.entries(counts).map(([field, count]) => {
    const [kind = '', state = ''] = field.split(':')
    return { kind, state, count: Number(count) }
  })
  return { pending: Math.max(0, open - running), running, ended }
}

/** What the script has written. */
function toPending({ operation, metadata }: Acceptance): OperationRecord {
  return {
    ...operation,
    state: 'pending',
    epoch: 1,
    fence: 0,
    attempts: 0,
    worker: '',
    started: 0,
    updated: operation.created,
    ended: 0,
    forward: false,
    cancel: null,
    progress: null,
    notes: [],
    metadata: metadata ?? null,
    err: '',
    code: '',
    undone: [],
    warnings: [],
  }
}

function encodeAcceptance(acceptance: Acceptance): string[] {
  const { operation, names, busy, changes, idempotency, secret, metadata } = acceptance
  const made = changes.flatMap((change) =>
    change.change === 'put' && change.record.rev === 0 ? [{ noun: change.noun, uuid: change.record.uuid }] : [],
  )
  const envelope = {
    id: operation.id,
    kind: operation.kind,
    project: operation.project,
    cancellable: operation.cancellable ? '1' : '',
    created: String(operation.created),
    names,
    busy,
    changes: toScriptChanges(changes),
    idem: idempotency && { ...idempotency, ttl: String(idempotency.ttl) },
    secret,
    metadata: metadata && JSON.stringify(metadata),
  }
  return [JSON.stringify(envelope), JSON.stringify(operation), JSON.stringify({ names, busy, made })]
}
