/** Operations whose streams are websockets: what is said of those that end, wherever that is written. */
import type { OperationRecord } from '../contract/operation-record.ts'

/** Of a process that ended in order, and of one that was killed. */
export const PROCESS_ENDED = 'The API process that ran it ended'

/** The metadata of one that ends: its secrets open nothing any more. */
export function withoutSecrets({ metadata }: OperationRecord): Record<string, unknown> {
  const { fds: _fds, ...shown } = metadata ?? {}
  return shown
}
