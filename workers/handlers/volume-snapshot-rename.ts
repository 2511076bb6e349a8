import { loadVolume, loadVolumeSnapshot } from '../custom-volumes.ts'
import type { Handler } from '../steps.ts'

/** Gives the snapshot another name: a change of its record only, an operation because LXD answers with one. */
export const volumeSnapshotRename: Handler<'volume-snapshot.rename'> = {
  steps: [],
  finish: async (context) => {
    const snapshot = await loadVolumeSnapshot(context, context.input.snapshot)
    const volume = await loadVolume(context, snapshot.parent)
    const { name } = context.input
    return {
      changes: [{ change: 'put', noun: 'volume-snapshot', record: { ...snapshot, name } }],
      context: { old_name: `${volume.name}/${snapshot.name}` },
      source: context.operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(name)),
    }
  },
}
