import { loadVolume, loadVolumeSnapshot } from '../custom-volumes.ts'
import { renamed, type Handler } from '../steps.ts'

/** Gives the snapshot another name: a change of its record only, an operation because LXD answers with one. */
export const volumeSnapshotRename: Handler<'volume-snapshot.rename'> = {
  steps: [],
  finish: async (context) => {
    const snapshot = await loadVolumeSnapshot(context, context.input.snapshot)
    const volume = await loadVolume(context, snapshot.parent)
    const record = { ...snapshot, name: context.input.name }
    const { project } = record
    return { ...renamed(context, { noun: 'volume-snapshot', record }, `${volume.name}/${snapshot.name}`), project }
  },
}
