import type { OperationRecord } from '../contract/operation-record.ts'
import type { AnyRecord, Noun } from '../contract/records.ts'
import type { LogEvent, RecordEvent } from '../core/ports.ts'
import { type Fields, toFields, VERSION } from './decode.ts'
import { toOperation, toState } from './decode-operation.ts'

/** An entry of the log: its place in the count that has no holes, and what it holds. */
export interface LogEntry {
  id: string
  n: number
  fields: Fields
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
  return { id, n: Number(fields.get('n')), fields }
}

/** The event of an entry; undefined for a type that this version does not know. */
export function toLogEvent({ id, fields }: LogEntry): LogEvent | undefined {
  const common = { id, at: Number(fields.get('at')), project: fields.get('project') ?? '' }
  const text = (name: string) => fields.get(name) ?? ''
  switch (text('type')) {
    case 'operation':
      return operationEvent(common, fields)
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

/** Most listeners look at the state alone: the operation, which is large, is decoded when one asks for it. */
function operationEvent(common: Omit<LogEvent, 'type'>, fields: Fields): LogEvent {
  let decoded: OperationRecord | undefined
  return {
    ...common,
    type: 'operation',
    state: toState(fields),
    get operation() {
      return (decoded ??= toOperation(fields))
    },
  }
}

type Told = (AnyRecord & { rev: number }) | { noun: Noun; uuid: string; removed: true }

function toRecordEvents(fields: Fields) {
  const told: Told[] = JSON.parse(fields.get('changes') ?? '[]')
  const changes = told.map((change): RecordEvent => {
    if ('removed' in change) return change
    const { rev, ...put } = change
    // Written by a newer process: here it is as good as not there, as it would be in a list.
    if (put.record.v !== VERSION) return { noun: put.noun, uuid: put.record.uuid, removed: true }
    put.record.rev = rev
    return put
  })
  return { changes, observed: JSON.parse(fields.get('observed') ?? '[]') }
}
