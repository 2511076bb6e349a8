import { randomUUID } from 'node:crypto'
import type { Noun, RecordOf } from '../contract/records.ts'
import type { RecordStore, RecordWrite, UnreadableRecord } from '../core/ports.ts'
import { encodeChanges } from './changes.ts'
import { NOUNS, readRecord, toRecord, toRefusal, toTexts } from './decode.ts'
import { type Database, runScript } from './scripts.ts'

/** The record store over the scripts in `lua/`. */
export function createRedisRecordStore(database: Database): RecordStore {
  const { connection, keys } = database

  async function get<N extends Noun>(noun: N, uuid: string): Promise<RecordOf<N> | undefined> {
    const [rev, body] = await connection.run((redis) => redis.hmget(keys.key('rec', noun, uuid), 'rev', 'body'))
    return rev && body ? toRecord(noun, rev, body) : undefined
  }

  async function find<N extends Noun>(noun: N, scope: string, name: string): Promise<RecordOf<N> | undefined> {
    const answer = await runScript(database, 'find-record', [noun, scope, name])
    const [rev, body] = answer === null ? [] : toTexts(answer)
    return rev && body ? toRecord(noun, rev, body) : undefined
  }

  async function listed<N extends Noun>(noun: N, ...where: string[]): Promise<RecordOf<N>[]> {
    const flat = toTexts(await runScript(database, 'list-records', [noun, ...where]))
    const records: RecordOf<N>[] = []
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const read = readRecord(noun, flat[at] ?? '', flat[at + 1] ?? '')
      if ('record' in read) records.push(read.record)
    }
    return records.toSorted(byName)
  }

  async function write(asked: RecordWrite) {
    const answer = toTexts(await runScript(database, 'write-records', encodeWrite(asked)))
    return answer[0] === 'written' ? ({ outcome: 'written' } as const) : toRefusal(answer)
  }

  async function idempotent(key: string) {
    const fields = ['fingerprint', 'operation', 'status', 'location', 'body']
    const kept = await connection.run((redis) => redis.hmget(keys.key('idem', key), ...fields))
    if (kept[0] === null) return undefined
    const refusal = toRefusal(['repeat', ...toTexts(kept)])
    return refusal.outcome === 'repeat' ? refusal : undefined
  }

  return {
    get,
    find,
    list: (noun, scope) => (scope === undefined ? listed(noun) : listed(noun, scope)),
    owned: (noun, instance) => listed(noun, '', instance),
    write,
    idempotent,
    unreadable: () => findUnreadable(database),
  }
}

/** Records read with one write to the socket. */
const BATCH = 200

async function findUnreadable({ connection, keys }: Database): Promise<UnreadableRecord[]> {
  const found: UnreadableRecord[] = []
  for (const noun of NOUNS) {
    const uuids = await connection.run((redis) => redis.smembers(keys.key('recs', noun)))
    for (let at = 0; at < uuids.length; at += BATCH) {
      const batch = uuids.slice(at, at + BATCH)
      const held = await connection.run((redis) =>
        Promise.all(batch.map((uuid) => redis.hmget(keys.key('rec', noun, uuid), 'rev', 'body'))),
      )
      found.push(...held.flatMap(([rev, body], index) => unreadableOf(noun, batch[index] ?? '', [rev, body])))
    }
  }
  return found
}

function unreadableOf(noun: Noun, uuid: string, [rev, body]: (string | null | undefined)[]): UnreadableRecord[] {
  // Removed meanwhile.
  if (rev == null) return []
  const read = readRecord(noun, rev, body ?? '')
  return 'unreadable' in read ? [{ noun, uuid, reason: read.unreadable }] : []
}

/** The order of lists: by name, bytewise, so that it does not depend on the machine's language. */
export function byName(a: { name: string; uuid: string }, b: { name: string; uuid: string }): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return a.uuid < b.uuid ? -1 : 1
}

function encodeWrite(asked: RecordWrite): string[] {
  const { changes, unlessBusy, unlessUsed, idempotency, lifecycle, at } = asked
  const envelope = {
    at: String(at),
    unlessBusy: [...(unlessBusy ?? []), ...(unlessUsed ?? [])],
    unlessUsed: unlessUsed ?? [],
    idem: idempotency && {
      key: idempotency.key,
      fingerprint: idempotency.fingerprint,
      ttl: String(idempotency.ttl),
      status: String(idempotency.answer.status),
      location: idempotency.answer.location,
      body: idempotency.answer.body,
    },
    lifecycle: lifecycle?.map((event) => ({ project: event.project, text: JSON.stringify(event) })),
  }
  return [randomUUID(), JSON.stringify(envelope), encodeChanges(changes)]
}
