import { backupVolume } from '../../src/core/kept-files.ts'
import { loadBackup } from '../backups.ts'
import { dropVolume } from '../images.ts'
import type { Handler } from '../steps.ts'

/** Removes the tarball. One that is just being sent is left to the sweep. */
export const backupDelete: Handler<'backup.delete'> = {
  steps: [{ name: 'remove', run: (context) => dropVolume(context, backupVolume(context.input.backup)) }],
  finish: async (context) => {
    const { uuid, rev } = await loadBackup(context, context.input.backup)
    return { changes: [{ change: 'remove', noun: 'backup', uuid, rev }] }
  },
}
