import { isFailure } from '../core/failure.ts'
import type { EventBus, Observed, RecordReader } from '../core/ports.ts'
import { createFreshness } from './freshness.ts'
import { createReadScopes, type Within } from './read-scopes.ts'
import { openRecordImage } from './record-image.ts'
import type { RecordTables } from './record-tables.ts'
import type { Database } from './scripts.ts'

export interface MirrorDeps {
  database: Database
  /** What is read where the mirror is behind. */
  store: RecordReader
  /** Whose listeners miss nothing from the call of `openMirror` on: a bus that is ready. */
  bus: Pick<EventBus, 'subscribe'>
  /** What workers saw of the engine right after a change; told before any reader sees the change. */
  onObserved(observed: Observed[]): void
  onError(error: unknown): void
}

/**
 * The records in memory. A read sees every write that was answered before it, by whichever process. Records handed out
 * are shared: nobody changes them.
 */
export interface Mirror extends RecordReader {
  /** A scope for reads that belong together, which ask Redis once: they see all that was written before the first. */
  scope(): Within
  /** From here on the reads of the running scope see what was written until now. */
  renew(): void
  /** Resolves once everything was loaded. */
  readonly ready: Promise<void>
  /** Since when (milliseconds since 1970) answers come from memory alone; undefined while Redis answers. */
  staleSince(): number | undefined
  /** Loads everything again: for gaps in the bus. */
  reload(): void
  close(): void
}

export function openMirror(deps: MirrorDeps): Mirror {
  const { database, store } = deps
  const inv = database.keys.key('inv')
  const closing = new AbortController()
  const freshness = createFreshness(async () => Number((await database.connection.run((redis) => redis.get(inv))) ?? 0))
  const image = openRecordImage(database, freshness, (error) => deps.onError(error), closing.signal)
  const scopes = createReadScopes()
  const unsubscribe = deps.bus.subscribe((event) => {
    if (event.type !== 'record') return
    if (event.observed.length > 0) deps.onObserved(event.observed)
    image.receive(event)
  })

  async function read<T>(fromMemory: (tables: RecordTables) => T, fromStore: () => Promise<T>): Promise<T> {
    const state = await scopes.check(() => freshness.check(image.tables() !== undefined))
    if (state === 'lost') image.reload()
    const tables = image.tables()
    if (tables !== undefined && (state === 'fresh' || state === 'away')) return fromMemory(tables)
    try {
      return await fromStore()
    } catch (error) {
      if (tables === undefined || !isFailure(error, 'unavailable')) throw error
      return fromMemory(tables)
    }
  }

  return {
    get: (noun, uuid) =>
      read(
        (tables) => tables.get(noun, uuid),
        () => store.get(noun, uuid),
      ),
    find: (noun, scope, name) =>
      read(
        (tables) => tables.find(noun, scope, name),
        () => store.find(noun, scope, name),
      ),
    list: (noun, scope) =>
      read(
        (tables) => tables.list(noun, scope),
        () => store.list(noun, scope),
      ),
    owned: (noun, instance) =>
      read(
        (tables) => tables.owned(noun, instance),
        () => store.owned(noun, instance),
      ),
    scope: scopes.open,
    renew: scopes.renew,
    ready: image.ready,
    staleSince: () => freshness.awaySince(),
    reload: () => image.reload(),
    close: () => {
      closing.abort()
      unsubscribe()
    },
  }
}
