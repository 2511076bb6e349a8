/** An operation's hash → its record, whatever is in it. */
import Schema from 'typebox/schema'
import { OperationRecord } from '../contract/operation-record.ts'
import { idTime } from '../core/operation-ids.ts'
import { describeFaults, describeThrown, type Fields, refuseVersion } from './decode.ts'

const STATES = ['pending', 'running', 'success', 'failure', 'cancelled'] as const

const check = Schema.Compile(OperationRecord)

/**
 * An operation's hash, or its entry in the log. One that cannot be read (of another version, or damaged) is stood in
 * for: it is shown, and whoever performs it ends it as failed with the reason.
 */
export function toOperation(fields: Fields, id?: string): OperationRecord {
  try {
    const operation = parse(fields)
    if (check.Check(operation)) return operation
    throw new Error(describeFaults(check.Errors(operation)[1]))
  } catch (thrown) {
    return standIn(fields, id, describeThrown(thrown))
  }
}

export function toState(fields: Fields): OperationRecord['state'] {
  // What is in no known state will not come into another one by itself.
  return STATES.find((state) => state === fields.get('state')) ?? 'failure'
}

function parse(fields: Fields): OperationRecord {
  const text = (name: string) => fields.get(name) ?? ''
  const number = (name: string) => Number(fields.get(name) ?? 0)
  const json = (name: string, absent: string) => JSON.parse(fields.get(name) ?? absent)
  const accepted = JSON.parse(text('rec'))
  refuseVersion(accepted)
  return {
    ...accepted,
    state: text('state'),
    epoch: number('epoch'),
    fence: number('fence'),
    attempts: number('attempts'),
    worker: text('worker'),
    started: number('started'),
    updated: number('updated'),
    ended: number('ended'),
    forward: text('forward') === '1',
    cancel: json('cancel', 'null'),
    progress: json('progress', 'null'),
    notes: JSON.parse(`[${text('notes')}]`),
    metadata: json('metadata', 'null'),
    err: text('err'),
    code: text('code'),
    undone: json('undone', '[]'),
    warnings: json('warnings', '[]'),
  }
}

/** What can still be said of it. Its member is told where it can be: only a worker of that member can take its job. */
function standIn(fields: Fields, given: string | undefined, fault: string): OperationRecord {
  const text = (name: string) => fields.get(name) ?? ''
  const number = (name: string) => Math.trunc(Number(fields.get(name))) || 0
  const id = given ?? said(text('rec'), 'id')
  const unreadable = `The operation's record cannot be read: ${fault}`
  return {
    v: 1,
    id,
    kind: text('kind'),
    class: 'task',
    description: 'Unreadable operation',
    project: text('project'),
    member: said(text('rec'), 'member'),
    place: 'worker',
    input: null,
    resources: null,
    entity: { type: 'server', id: '', name: '', url: '' },
    requestor: { username: '', protocol: 'none', address: '' },
    role: 'viewer',
    cancellable: false,
    created: idTime(id) ?? 0,
    state: toState(fields),
    epoch: number('epoch'),
    fence: number('fence'),
    attempts: number('attempts'),
    worker: text('worker'),
    started: number('started'),
    updated: number('updated'),
    ended: number('ended'),
    forward: false,
    cancel: null,
    progress: null,
    notes: [],
    metadata: null,
    err: text('err') || unreadable,
    code: text('code') || 'internal',
    undone: [],
    warnings: [],
    unreadable,
  }
}

/** A field at the top of a text that is perhaps no JSON. */
function said(text: string, field: 'id' | 'member'): string {
  return new RegExp(`"${field}":"([\\w.-]+)"`).exec(text)?.[1] ?? ''
}
