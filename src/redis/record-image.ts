import { setTimeout as delay } from 'node:timers/promises'
import type { AnyRecord } from '../contract/records.ts'
import type { LogEvent } from '../core/ports.ts'
import { internal } from '../core/failure.ts'
import { NOUNS, readRecord, toTexts } from './decode.ts'
import type { Freshness } from './freshness.ts'
import { createRecordTables, type RecordTables } from './record-tables.ts'
import { type Database, runScript } from './scripts.ts'

export type RecordsWritten = Extract<LogEvent, { type: 'record' }>

/** All records in memory, kept as new as the events that were received. */
export interface RecordImage {
  /** undefined before the first load. */
  tables(): RecordTables | undefined
  receive(event: RecordsWritten): void
  reload(): void
  readonly ready: Promise<void>
}

const AFTER_ERROR = 500

/** Loads at once; tries again until it succeeds or the signal aborts. */
export function openRecordImage(
  database: Database,
  freshness: Freshness,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): RecordImage {
  const first = Promise.withResolvers<void>()
  let tables: RecordTables | undefined
  /** Events that came while a load runs; undefined when none runs. */
  let pending: RecordsWritten[] | undefined

  function receive(event: RecordsWritten): void {
    if (pending !== undefined) pending.push(event)
    else apply(event)
  }

  /** Numbers have no holes: one that is not the next is known already, or shows that events were lost. */
  function apply(event: RecordsWritten): void {
    if (tables === undefined || event.inv <= freshness.reached()) return
    if (event.inv > freshness.reached() + 1) {
      reload()
      return
    }
    for (const change of event.changes) tables.apply(change)
    freshness.reach(event.inv)
  }

  function reload(): void {
    if (pending !== undefined || signal.aborted) return
    pending = []
    void load()
  }

  async function load(): Promise<void> {
    while (!signal.aborted) {
      try {
        // The number comes first: what is written meanwhile arrives as an event with a higher one.
        const from = await freshness.ask()
        tables = await readTables(database, onError)
        freshness.restart(from)
        first.resolve()
        break
      } catch (error) {
        onError(error)
        await delay(AFTER_ERROR)
      }
    }
    const waiting = pending ?? []
    pending = undefined
    for (const event of waiting) receive(event)
  }

  reload()
  return { tables: () => tables, receive, reload, ready: first.promise }
}

/** What cannot be read is told, and left out. */
async function readTables(database: Database, onError: (error: unknown) => void): Promise<RecordTables> {
  const tables = createRecordTables()
  for (const noun of NOUNS) {
    const flat = toTexts(await runScript(database, 'list-records', [noun]))
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const read = readRecord(noun, flat[at] ?? '', flat[at + 1] ?? '')
      if ('record' in read) tables.apply({ noun, record: read.record } as AnyRecord) // read as this noun just above
      else onError(internal(read.unreadable))
    }
  }
  return tables
}
