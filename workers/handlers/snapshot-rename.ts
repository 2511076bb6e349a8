import { loadInstance, loadSnapshot } from '../containers.ts'
import { renamed, type Handler } from '../steps.ts'

/** Gives the snapshot another name: a change of its record only, an operation because LXD answers with one. */
export const snapshotRename: Handler<'snapshot.rename'> = {
  steps: [],
  finish: async (context) => {
    const snapshot = await loadSnapshot(context, context.input.snapshot)
    const instance = await loadInstance(context, snapshot.instance)
    const record = { ...snapshot, name: context.input.next.name }
    return renamed(context, { noun: 'snapshot', record }, `${instance.name}/${snapshot.name}`)
  },
}
