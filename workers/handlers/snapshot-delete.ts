import { loadSnapshot } from '../containers.ts'
import { removeSnapshot } from '../removing.ts'
import type { Handler } from '../steps.ts'

/** Forgets the snapshot. What was copied from it keeps its image alive. */
export const snapshotDelete: Handler<'snapshot.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => removeSnapshot(context, await loadSnapshot(context, context.input.snapshot)),
    },
  ],
  finish: async (context) => {
    const { uuid, rev } = await loadSnapshot(context, context.input.snapshot)
    return { changes: [{ change: 'remove', noun: 'snapshot', uuid, rev }] }
  },
}
