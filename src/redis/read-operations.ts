import type { OperationRecord } from '../contract/operation-record.ts'
import { toFields } from './decode.ts'
import { toOperation } from './decode-operation.ts'
import type { Database } from './scripts.ts'

/** Hashes read with one write to the socket. */
const BATCH = 200

/** Those of the ids that are known, in the order of the ids. */
export async function readOperations(database: Database, ids: string[]): Promise<OperationRecord[]> {
  const found: OperationRecord[] = []
  for (let at = 0; at < ids.length; at += BATCH) {
    const batch = ids.slice(at, at + BATCH)
    const hashes = await database.connection.run(async (redis) =>
      Promise.all(batch.map((id) => redis.call('HGETALL', database.keys.key('op', id)))),
    )
    for (const [index, hash] of hashes.entries()) {
      const fields = toFields(hash)
      if (fields.size > 0) found.push(toOperation(fields, batch[index]))
    }
  }
  return found
}
