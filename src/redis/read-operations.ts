import type { OperationRecord } from '../contract/operation-record.ts'
import { toFields, toOperation } from './decode.ts'
import type { Database } from './scripts.ts'

/** Hashes read with one write to the socket. */
const BATCH = 200

/** Those of the ids that are known, in the order of the ids. */
export async function readOperations(database: Database, ids: string[]): Promise<OperationRecord[]> {
  const found: OperationRecord[] = []
  for (let at = 0; at < ids.length; at += BATCH) {
    const hashes = await database.connection.run(async (redis) =>
      Promise.all(ids.slice(at, at + BATCH).map((id) => redis.call('HGETALL', database.keys.key('op', id)))),
    )
    for (const hash of hashes) {
      const fields = toFields(hash)
      if (fields.size > 0) found.push(toOperation(fields))
    }
  }
  return found
}
