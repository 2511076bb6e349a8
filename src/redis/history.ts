import type { HistoryPage, HistoryQuery } from '../core/ports.ts'
import { badRequest } from '../core/failure.ts'
import { readOperations } from './read-operations.ts'
import type { Database } from './scripts.ts'

/** Operations looked at by one page: a filter that matches little gives a short page and a cursor to go on from. */
const LOOKED_AT = 5_000
const BATCH = 200

interface Position {
  created: number
  id: string
}

/** Newest first, by time of creation and then id. `since` and `until` are both included. */
export async function readHistory(database: Database, query: HistoryQuery): Promise<HistoryPage> {
  const operations: HistoryPage['operations'] = []
  let after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  for (let seen = 0; seen < LOOKED_AT;) {
    const batch = await readIds(database, query, after)
    if (batch.length === 0) return { operations, cursor: undefined }
    seen += batch.length
    const found = new Map(
      (
        await readOperations(
          database,
          batch.map(({ id }) => id),
        )
      ).map((operation) => [operation.id, operation]),
    )
    for (const position of batch) {
      after = position
      const operation = found.get(position.id)
      if (operation === undefined || !query.matches(operation)) continue
      operations.push(operation)
      if (operations.length === query.limit) return { operations, cursor: toCursor(position) }
    }
  }
  return { operations, cursor: after && toCursor(after) }
}

/** The next ids after a position. Those of the position's own millisecond are looked through by id. */
async function readIds(database: Database, query: HistoryQuery, after: Position | undefined): Promise<Position[]> {
  const name =
    query.project === undefined ? database.keys.key('ops', 'all') : database.keys.key('ops', 'project', query.project)
  const max = Math.min(query.until, after?.created ?? Infinity)
  const positions: Position[] = []
  for (let offset = 0; positions.length === 0; offset += BATCH) {
    const flat = await database.connection.run((redis) =>
      redis.zrange(name, toScore(max), toScore(query.since), 'BYSCORE', 'REV', 'LIMIT', offset, BATCH, 'WITHSCORES'),
    )
    if (flat.length === 0) break
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const position = { id: flat[at] ?? '', created: Number(flat[at + 1]) }
      if (after === undefined || isAfter(position, after)) positions.push(position)
    }
  }
  return positions
}

function isAfter(position: Position, last: Position): boolean {
  return position.created < last.created || (position.created === last.created && position.id < last.id)
}

function toScore(time: number): string {
  if (time === Infinity) return '+inf'
  return time === -Infinity ? '-inf' : String(time)
}

function toCursor({ created, id }: Position): string {
  return Buffer.from(`${created} ${id}`).toString('base64url')
}

function parseCursor(cursor: string): Position {
  const [created, id] = Buffer.from(cursor, 'base64url').toString().split(' ')
  if (id === undefined || !/^\d+$/.test(created ?? '')) throw badRequest(`Invalid cursor "${cursor}"`)
  return { created: Number(created), id }
}
