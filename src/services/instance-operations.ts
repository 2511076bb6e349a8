/** What all operations on one instance have in common. */
import type { InstanceRecord } from '../contract/records.ts'
import { foreignRefusal, isForeign } from '../core/foreign.ts'
import type { BusyClaim } from '../core/ports.ts'
import { CATALOG, type InputOf, type Kind } from '../operations/catalog.ts'
import { instanceResources, instanceUrl } from './instance-urls.ts'
import type { InstanceView } from './instance-views.ts'

/** A container made by others is not ours to change. */
export function requireOwn({ record }: InstanceView): void {
  if (isForeign(record)) throw foreignRefusal(record.name)
}

/** An operation on one instance that is there. */
export function on<K extends Kind>(record: InstanceRecord, kind: K, input: InputOf<K>) {
  const { action, claim } = CATALOG[kind]
  return {
    kind,
    input,
    project: record.project,
    member: record.member,
    entity: { id: record.uuid, name: record.name, url: instanceUrl(record) },
    resources: instanceResources(record),
    busy: claim === 'own' ? [{ key: `instance:${record.uuid}`, mode: claim, action } satisfies BusyClaim] : [],
  }
}
