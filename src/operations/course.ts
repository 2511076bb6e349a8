import type { OperationState } from '../contract/operation-record.ts'

/** Whether an operation in this state can never change again. */
export function isFinal(state: OperationState): boolean {
  return state === 'success' || state === 'failure' || state === 'cancelled'
}
