/**
 * What the engine and Redis hold against what the records say, read past the server: nothing of ours may be there
 * that no record and no running operation explains, and nothing may be missing that a record points to.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { isFinal } from '../../src/core/operation-states.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { openRedis } from '../../src/redis/connection.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { createRedisOperationStore } from '../../src/redis/operation-store.ts'
import { createRedisRecordStore } from '../../src/redis/record-store.ts'
import { readOperations } from '../../src/redis/read-operations.ts'
import type { Database } from '../../src/redis/scripts.ts'
import type { TestWindlass } from '../support/windlass.ts'
import { listEngine, type Seen } from './engine-listing.ts'
import { readKnown } from './known.ts'

export interface Audit extends AsyncDisposable {
  readonly database: Database
  readonly records: RecordStore
  /** Those of the ids that the store has. */
  operations(ids: string[]): Promise<OperationRecord[]>
  /** The operation when it is final, or as it is after a minute or `ms`; undefined where the store never had it. */
  ended(id: string, ms?: number): Promise<OperationRecord | undefined>
  /** What has stayed unexplained or missing for too long since the last call. */
  takeOverdue(): Overdue[]
  /** Waits until nothing is unexplained; what is left when it has been there for too long. */
  settled(): Promise<Overdue[]>
}

/** Something that is there although nothing explains it, or that is missing; and what was known then. */
export interface Overdue {
  what: string
  /** Milliseconds since it was first seen so. */
  after: number
  /** The operations of the last minutes that speak of it. */
  operations: Partial<OperationRecord>[]
  /** What the API process has said last. */
  log: string
}

/**
 * Milliseconds for which something may stay that nothing explains: the sweeper looks at the engine every 30 s, a
 * process that leads again after a death begins a few seconds later.
 */
const TOO_LONG = 45_000
const EVERY = 2_000
/** Milliseconds after which an operation that has not ended is taken for lost. */
const PATIENCE = 60_000
/** What is kept of an operation. */
const TOLD = ['id', 'kind', 'state', 'err', 'created', 'ended', 'warnings', 'undone'] as const
/** How far back operations are looked through for what is overdue, milliseconds; and how much of a log is kept with it. */
const RECENT = 900_000
const LOG = 8_000

export async function openAudit(windlass: TestWindlass): Promise<Audit> {
  const deployment = (await readFile(join(windlass.dataDir, 'deployment'), 'utf8')).trim()
  const connection = openRedis({ path: windlass.redis.socket, role: 'api', onError: () => undefined })
  await connection.ready(5_000)
  const database: Database = { connection, keys: makeKeys(deployment) }
  const records = createRedisRecordStore(database)
  const store = createRedisOperationStore(database)
  const operations = (ids: string[]) => readOperations(database, ids)
  async function ended(id: string, ms = PATIENCE): Promise<OperationRecord | undefined> {
    const until = performance.now() + ms
    for (;;) {
      const [operation] = await operations([id]).catch(() => [])
      if ((operation !== undefined && isFinal(operation.state)) || performance.now() > until) return operation
      await delay(15)
    }
  }

  const since = new Map<string, number>()
  const overdue: Overdue[] = []
  const told = new Set<string>()
  const closing = new AbortController()

  /** Compares once; false where the engine or Redis is away. */
  async function compare(): Promise<boolean> {
    let odd: Set<string>
    try {
      odd = await findOdd({ database, records, windlass })
    } catch {
      // What cannot be seen does not grow old.
      since.clear()
      return false
    }
    for (const known of since.keys()) if (!odd.has(known)) since.delete(known)
    for (const one of odd) {
      const first = since.get(one) ?? performance.now()
      since.set(one, first)
      if (performance.now() - first > TOO_LONG && !told.has(one)) {
        told.add(one)
        overdue.push(await describeOverdue(one, performance.now() - first))
      }
    }
    return true
  }

  async function describeOverdue(what: string, after: number): Promise<Overdue> {
    const [uuid = what] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(what) ?? []
    const recent = await store.recent(undefined, Date.now() - RECENT).catch(() => [])
    const about = recent.filter((one) => JSON.stringify(one).includes(uuid))
    const known = about.map((one) => Object.fromEntries(TOLD.map((key) => [key, one[key]])))
    return { what, after, operations: known, log: windlass.api.output().slice(-LOG) }
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      await delay(EVERY, undefined, { signal: closing.signal }).catch(() => undefined)
      if (!closing.signal.aborted) await compare()
    }
  }

  const watching = watch()

  const takeOverdue = (): Overdue[] => overdue.splice(0)

  return {
    database,
    records,
    operations,
    ended,
    takeOverdue,
    settled: async () => {
      // Twice in a row: what is being done just now may be seen half.
      for (let clean = 0; clean < 2;) {
        clean = (await compare()) && [...since.keys()].every((one) => told.has(one)) ? clean + 1 : 0
        await delay(100)
      }
      return takeOverdue()
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await watching
      connection.close()
    },
  }
}

interface Looked {
  database: Database
  records: RecordStore
  windlass: TestWindlass
}

async function findOdd(looked: Looked): Promise<Set<string>> {
  const { database, records, windlass } = looked
  // The records are read again after the engine: what an end wrote meanwhile counts.
  const before = await readKnown(database, records)
  const seen = await listEngine(windlass.engine.socket)
  const after = await readKnown(database, records)
  const odd = new Set<string>()
  for (const one of seen) if (!before.explains(one) && !after.explains(one)) odd.add(describe(one))
  const there = new Set(seen.flatMap(({ ids }) => ids))
  for (const [wanted, what] of after.wanted)
    if (before.wanted.has(wanted) && !there.has(wanted)) odd.add(`missing: ${what}`)
  for (const one of after.claims) if (before.claims.has(one)) odd.add(one)
  return odd
}

function describe({ what, name, operation, role }: Seen): string {
  return `${what} ${name}${role === '' ? '' : ` (${role})`}${operation === '' ? '' : ` of operation ${operation}`}`
}
