import type { RecordEvent, LogEvent } from '../core/ports.ts'
import type { AnyRecord, Noun } from '../contract/records.ts'
import { type Fields, toFields, toNoun, toOperation, toRecord } from './decode.ts'

/** An entry of the log: the event, and its place in the count that has no holes. */
export interface LogEntry {
  id: string
  n: number
  /** undefined for a type that this version does not know. */
  event: LogEvent | undefined
}

/** Order of two ids of the log (`<milliseconds>-<count>`): negative when `a` is older. */
export function compareIds(a: string, b: string): number {
  const [aTime = '', aCount = ''] = a.split('-')
  const [bTime = '', bCount = ''] = b.split('-')
  return Number(aTime) - Number(bTime) || Number(aCount) - Number(bCount)
}

/** What XRANGE and XREAD give for one entry. */
export function toLogEntry([id, flat]: [id: string, fields: string[]]): LogEntry {
  const fields = toFields(flat)
  return { id, n: Number(fields.get('n')), event: toLogEvent(id, fields) }
}

function toLogEvent(id: string, fields: Fields): LogEvent | undefined {
  const common = { id, at: Number(fields.get('at')), project: fields.get('project') ?? '' }
  const text = (name: string) => fields.get(name) ?? ''
  switch (fields.get('type')) {
    case 'operation':
      return { ...common, type: 'operation', operation: toOperation(fields) }
    case 'lifecycle':
      return { ...common, type: 'lifecycle', lifecycle: JSON.parse(text('lifecycle')) }
    case 'logging':
      return { ...common, type: 'logging', line: JSON.parse(text('line')) }
    case 'record':
      return { ...common, type: 'record', inv: Number(text('inv')), ...toRecordEvents(fields) }
    case 'cancel':
      return { ...common, type: 'cancel', operation: text('operation') }
    default:
      return undefined
  }
}

interface WrittenChange {
  noun: string
  uuid: string
  rev?: number
  body?: { v: number }
}

function toRecordEvents(fields: Fields) {
  const written: WrittenChange[] = JSON.parse(fields.get('changes') ?? '[]')
  const changes = written.map(({ noun, uuid, rev, body }): RecordEvent => {
    if (rev === undefined || body === undefined) return { noun: toNoun(noun), uuid, removed: true }
    // Written from a change whose noun and record belong together.
    return { noun: toNoun(noun), record: { ...body, rev } } as AnyRecord
  })
  return { changes, observed: JSON.parse(fields.get('observed') ?? '[]') }
}
