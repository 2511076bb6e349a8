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
  /** Noun and instance → uuids of what belongs to it. */
  const belongings = new Map<string, Set<string>>()

  function apply(change: RecordEvent): void {
    if ('removed' in change) {
      forget(change.noun, change.uuid)
      rows[change.noun].delete(change.uuid)
      return
    }
    const { noun, record } = change
    forget(noun, record.uuid)
    put(change)
    namesOf(noun, scopeOf(noun, record)).set(record.name, record.uuid)
    if (isOwned(noun) && 'instance' in record) keep(`${noun}:${record.instance}`, record.uuid)
  }

  function put<N extends Noun>({ noun, record }: Put<N>): void {
    const row: ByNoun[N] = record
    rows[noun].set(row.uuid, row)
  }

  function keep(owner: string, uuid: string): void {
    const kept = belongings.get(owner) ?? new Set()
    belongings.set(owner, kept.add(uuid))
  }

  function drop(owner: string, uuid: string): void {
    const kept = belongings.get(owner)
    kept?.delete(uuid)
    if (kept?.size === 0) belongings.delete(owner)
  }

  /** Under its name and its owner. */
  function forget(noun: Noun, uuid: string): void {
    const old = rows[noun].get(uuid)
    if (old === undefined) return
    if (isOwned(noun) && 'instance' in old) drop(`${noun}:${old.instance}`, uuid)
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
    const uuids = belongings.get(`${noun}:${instance}`) ?? []
    return [...uuids].flatMap((uuid) => rows[noun].get(uuid) ?? []).toSorted(byName)
  }

  return {
    apply,
    get: (noun, uuid) => rows[noun].get(uuid),
    find: (noun, scope, name) => rows[noun].get(names.get(`${noun}:${scope}`)?.get(name) ?? ''),
    list,
    owned,
  }
}

function isOwned(noun: Noun): noun is OwnedNoun {
  return noun === 'lease' || noun === 'nickname'
}

function emptyRows(): Rows {
  return {
    instance: new Map(),
    snapshot: new Map(),
    backup: new Map(),
    image: new Map(),
    alias: new Map(),
    profile: new Map(),
    network: new Map(),
    volume: new Map(),
    'volume-snapshot': new Map(),
    'volume-backup': new Map(),
    project: new Map(),
    token: new Map(),
    certificate: new Map(),
    warning: new Map(),
    lease: new Map(),
    nickname: new Map(),
    server: new Map(),
  }
}
