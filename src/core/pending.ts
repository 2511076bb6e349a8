/**
 * Changes that wait for a start: an update that must not restart a running instance marks its record, and the next
 * start makes the container anew before it runs.
 */
import type { InstanceRecord } from '../contract/records.ts'

const MARK = 'volatile.recreate'

/** Whether the container does not have yet what the record says. */
export function isUnapplied({ config }: Pick<InstanceRecord, 'config'>): boolean {
  return config[MARK] === 'true'
}

/** Marked as such. */
export function unapplied(record: InstanceRecord): InstanceRecord {
  return { ...record, config: { ...record.config, [MARK]: 'true' } }
}

/** For a container that is made of the record as it is. */
export function applied(record: InstanceRecord): InstanceRecord {
  const config = Object.fromEntries(Object.entries(record.config).filter(([key]) => key !== MARK))
  return { ...record, config }
}
