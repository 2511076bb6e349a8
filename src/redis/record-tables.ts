import type { Noun, RecordOf } from '../contract/records.ts'
import type { OwnedNoun, RecordEvent } from '../core/ports.ts'
import { scopeOf } from '../core/scope.ts'
import { byName } from './record-store.ts'

type ByNoun = { [N in Noun]: RecordOf<N> }
type Rows = { [N in Noun]: Map<string, ByNoun[N]> }
/** As AnyRecord, but of one noun where the noun is known. */
type Put<N extends Noun> = { [P in N]: { noun: P; record: ByNoun[P] } }[N]

/** All records in memory, by uuid and by name. Those handed out are shared: nobody changes them. */
export interface RecordTables {
  apply(change: RecordEvent): void
  get<N extends Noun>(noun: N, uuid: string): RecordOf<N> | undefined
  find<N extends Noun>(noun: N, scope: string, name: string): RecordOf<N> | undefined
  list<N extends Noun>(noun: N, scope?: string): RecordOf<N>[]
  owned<N extends OwnedNoun>(noun: N, instance: string): RecordOf<N>[]
}

export function createRecordTables(): RecordTables {
  const rows: Rows = emptyRows()
  /** Noun and scope → name → uuid. */
  const names = new Map<string, Map<string, string>>()

  function apply(change: RecordEvent): void {
    if ('removed' in change) {
      forgetName(change.noun, change.uuid)
      rows[change.noun].delete(change.uuid)
      return
    }
    const { noun, record } = change
    forgetName(noun, record.uuid)
    put(change)
    namesOf(noun, scopeOf(noun, record)).set(record.name, record.uuid)
  }

  function put<N extends Noun>({ noun, record }: Put<N>): void {
    const row: ByNoun[N] = record
    rows[noun].set(row.uuid, row)
  }

  function forgetName(noun: Noun, uuid: string): void {
    const old = rows[noun].get(uuid)
    if (old === undefined) return
    const scoped = namesOf(noun, scopeOf(noun, old))
    // Another record may have taken the name in the same write.
    if (scoped.get(old.name) === uuid) scoped.delete(old.name)
  }

  function namesOf(noun: Noun, scope: string): Map<string, string> {
    const key = `${noun}:${scope}`
    const found = names.get(key) ?? new Map<string, string>()
    names.set(key, found)
    return found
  }

  function list<N extends Noun>(noun: N, scope?: string): RecordOf<N>[] {
    if (scope === undefined) return [...rows[noun].values()].toSorted(byName)
    const uuids = names.get(`${noun}:${scope}`)?.values() ?? []
    return [...uuids].flatMap((uuid) => rows[noun].get(uuid) ?? []).toSorted(byName)
  }

  function owned<N extends OwnedNoun>(noun: N, instance: string): RecordOf<N>[] {
    return [...rows[noun].values()].filter((record) => record.instance === instance).toSorted(byName)
  }

  return {
    apply,
    get: (noun, uuid) => rows[noun].get(uuid),
    find: (noun, scope, name) => rows[noun].get(names.get(`${noun}:${scope}`)?.get(name) ?? ''),
    list,
    owned,
  }
}

function emptyRows(): Rows {
  return {
    instance: new Map(),
    snapshot: new Map(),
    image: new Map(),
    alias: new Map(),
    profile: new Map(),
    network: new Map(),
    volume: new Map(),
    project: new Map(),
    token: new Map(),
    certificate: new Map(),
    warning: new Map(),
    lease: new Map(),
    nickname: new Map(),
    server: new Map(),
  }
}
