import { loadVolumeSnapshot } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Handler } from '../steps.ts'

/** Removes the snapshot's copy of the volume. */
export const volumeSnapshotDelete: Handler<'volume-snapshot.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => dropVolume(context, (await loadVolumeSnapshot(context, context.input.snapshot)).volume),
    },
  ],
  finish: async (context) => {
    const { uuid, rev, project } = await loadVolumeSnapshot(context, context.input.snapshot)
    return { changes: [{ change: 'remove', noun: 'volume-snapshot', uuid, rev }], project }
  },
}
