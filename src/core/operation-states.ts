import type { OperationRecord, OperationState } from '../contract/operation-record.ts'
import type { Ending } from './ports.ts'

/** LXD's words and numbers for an operation; 200 and above are final. */
export interface OperationStatus {
  status: 'Pending' | 'Running' | 'Cancelling' | 'Success' | 'Failure' | 'Cancelled'
  code: 105 | 103 | 104 | 200 | 400 | 401
}

const STATUS: Record<OperationState, OperationStatus> = {
  pending: { status: 'Pending', code: 105 },
  running: { status: 'Running', code: 103 },
  success: { status: 'Success', code: 200 },
  failure: { status: 'Failure', code: 400 },
  cancelled: { status: 'Cancelled', code: 401 },
}

const STATES: OperationState[] = ['pending', 'running', 'success', 'failure', 'cancelled']

/** An unfinished operation that was asked to cancel is Cancelling. A token that waits to be used is Running, as in LXD. */
export function operationStatus(operation: Pick<OperationRecord, 'state' | 'cancel' | 'place'>): OperationStatus {
  if (!isFinal(operation.state) && operation.cancel !== null) return { status: 'Cancelling', code: 104 }
  if (operation.place === 'store' && operation.state === 'pending') return STATUS.running
  return STATUS[operation.state]
}

/** LXD's status text, in any case → our states; undefined when there is none such. */
export function statesOf(status: string): OperationState[] | undefined {
  const wanted = status.toLowerCase()
  if (wanted === 'cancelling') return ['pending', 'running']
  const found = STATES.filter((state) => STATUS[state].status.toLowerCase() === wanted)
  return found.length === 0 ? undefined : found
}

export function isFinal(state: OperationState): boolean {
  return state === 'success' || state === 'failure' || state === 'cancelled'
}

/** What an end leaves besides its state, where there is nothing of it to say. */
export const NOTHING_MORE: Pick<Ending, 'warnings' | 'undone' | 'notes' | 'changes' | 'lifecycle' | 'observed'> = {
  warnings: [],
  undone: [],
  notes: [],
  changes: [],
  lifecycle: [],
  observed: [],
}

/** Names of notes about undoing, which are no steps: that it began, and each step that was undone. */
export const UNDO = 'undo'

export function isStep(note: string): boolean {
  return note !== UNDO && !note.startsWith(`${UNDO} `)
}
