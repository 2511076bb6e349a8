import type { AnyRecord, Noun } from '../contract/records.ts'

const DEPLOYMENT_WIDE: ReadonlySet<Noun> = new Set(['token', 'certificate', 'warning', 'project', 'server'])

/**
 * What a record's name is unique in: a snapshot's and a backup's within its instance or volume, an address within its
 * network, a nickname within its dialect, the names of tokens, certificates, warnings, projects and the server within
 * the deployment, every other one within its project.
 */
export function scopeOf(noun: Noun, record: AnyRecord['record']): string {
  if (DEPLOYMENT_WIDE.has(noun)) return ''
  if ((noun === 'snapshot' || noun === 'backup') && 'instance' in record) return record.instance
  if ((noun === 'volume-snapshot' || noun === 'volume-backup') && 'parent' in record) return record.parent
  if (noun === 'lease' && 'network' in record) return record.network
  if (noun === 'nickname' && 'dialect' in record) return record.dialect
  return record.project
}

/** The instance that a record belongs to although its scope is another one: '' where there is none. */
export function ownerOf(noun: Noun, record: AnyRecord['record']): string {
  return (noun === 'lease' || noun === 'nickname') && 'instance' in record ? record.instance : ''
}
