import Schema from 'typebox/schema'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { Ticket } from '../core/ports.ts'
import { badRequest, internal } from '../core/failure.ts'
import { CATALOG, isKind, type InputOf, type Kind } from './catalog.ts'

/** An accepted operation with its input decoded: one member per kind, so that a switch on `kind` narrows the input. */
export type Job<K extends Kind = Kind> = { [P in K]: { kind: P; input: InputOf<P>; operation: OperationRecord } }[K]

type Check = {
  Check(value: unknown): boolean
  Errors(value: unknown): [boolean, { instancePath: string; message: string }[]]
}
const compiled = new Map<Kind, Check>()

/** What the queue hands over → a ticket. The queue is an input like any other. */
export function decodeTicket(data: unknown): Ticket {
  const ticket: Partial<Record<'id' | 'kind' | 'epoch', unknown>> =
    typeof data === 'object' && data !== null ? data : {}
  const { id, kind, epoch } = ticket
  if (typeof id !== 'string' || typeof kind !== 'string' || !Number.isSafeInteger(epoch))
    throw badRequest('Job data is not a ticket')
  return { id, kind, epoch: Number(epoch) }
}

/** Decodes a record's input against the catalogue. An unknown kind or a wrong input is a Failure that names the field. */
export function decodeJob(operation: OperationRecord): Job {
  const { kind, input } = operation
  if (operation.unreadable !== undefined) throw internal(operation.unreadable)
  if (!isKind(kind)) throw internal(`Unknown operation kind "${kind}"`)
  const check = compiledInput(kind)
  if (!check.Check(input)) {
    const [first] = check.Errors(input)[1]
    throw internal(`Invalid input of ${kind}: ${first?.instancePath ?? ''} ${first?.message ?? ''}`)
  }
  return { kind, input, operation } as Job // checked against the schema of this kind just above
}

function compiledInput(kind: Kind): Check {
  let check = compiled.get(kind)
  if (check === undefined) {
    check = Schema.Compile(CATALOG[kind].input)
    compiled.set(kind, check)
  }
  return check
}
