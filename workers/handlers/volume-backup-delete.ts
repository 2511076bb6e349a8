import { backupVolume } from '../../src/core/kept-files.ts'
import { loadVolumeBackup } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Handler } from '../steps.ts'

/** Removes the tarball. One that is just being sent is left to the sweep. */
export const volumeBackupDelete: Handler<'volume-backup.delete'> = {
  steps: [{ name: 'remove', run: (context) => dropVolume(context, backupVolume(context.input.backup)) }],
  finish: async (context) => {
    const { uuid, rev, project } = await loadVolumeBackup(context, context.input.backup)
    return { changes: [{ change: 'remove', noun: 'volume-backup', uuid, rev }], project }
  },
}
