import { loadSnapshot } from '../containers.ts'
import type { Handler } from '../steps.ts'

/** Changes the snapshot's expiry: a change of its record only, an operation because LXD answers with one. */
export const snapshotUpdate: Handler<'snapshot.update'> = {
  steps: [],
  finish: async (context) => {
    const snapshot = await loadSnapshot(context, context.input.snapshot)
    const { expires_at } = context.input.next
    return { changes: [{ change: 'put', noun: 'snapshot', record: { ...snapshot, expires_at } }] }
  },
}
