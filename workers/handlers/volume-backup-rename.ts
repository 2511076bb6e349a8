import { loadVolume, loadVolumeBackup } from '../custom-volumes.ts'
import type { Handler } from '../steps.ts'

/** Gives the backup another name: a change of its record only, an operation because LXD answers with one. */
export const volumeBackupRename: Handler<'volume-backup.rename'> = {
  steps: [],
  finish: async (context) => {
    const backup = await loadVolumeBackup(context, context.input.backup)
    const volume = await loadVolume(context, backup.parent)
    const { name } = context.input
    return {
      changes: [{ change: 'put', noun: 'volume-backup', record: { ...backup, name } }],
      context: { old_name: `${volume.name}/${backup.name}` },
      source: context.operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(name)),
    }
  },
}
