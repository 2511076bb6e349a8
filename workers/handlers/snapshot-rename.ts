import { loadInstance, loadSnapshot } from '../containers.ts'
import type { Handler } from '../steps.ts'

/** Gives the snapshot another name: a change of its record only, an operation because LXD answers with one. */
export const snapshotRename: Handler<'snapshot.rename'> = {
  steps: [],
  finish: async (context) => {
    const snapshot = await loadSnapshot(context, context.input.snapshot)
    const instance = await loadInstance(context, snapshot.instance)
    const { name } = context.input.next
    return {
      changes: [{ change: 'put', noun: 'snapshot', record: { ...snapshot, name } }],
      context: { old_name: `${instance.name}/${snapshot.name}` },
      source: context.operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(name)),
    }
  },
}
