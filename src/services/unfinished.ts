/** Operations that have not ended. */
import type { OperationRecord } from '../contract/operation-record.ts'
import { isFinal } from '../core/operation-states.ts'
import type { OperationStore } from '../core/ports.ts'

/** Those of one project or of all. */
export async function unfinishedOf(
  store: Pick<OperationStore, 'recent'>,
  project?: string,
): Promise<OperationRecord[]> {
  // No finished operation ends in the future; one that ends while it is read may still be among them.
  const recent = await store.recent(project, Number.MAX_SAFE_INTEGER)
  return recent.filter(({ state }) => !isFinal(state))
}
