import { loadVolume, loadVolumeBackup } from '../custom-volumes.ts'
import { renamed, type Handler } from '../steps.ts'

/** Gives the backup another name: a change of its record only, an operation because LXD answers with one. */
export const volumeBackupRename: Handler<'volume-backup.rename'> = {
  steps: [],
  finish: async (context) => {
    const backup = await loadVolumeBackup(context, context.input.backup)
    const volume = await loadVolume(context, backup.parent)
    const record = { ...backup, name: context.input.name }
    const { project } = record
    return { ...renamed(context, { noun: 'volume-backup', record }, `${volume.name}/${backup.name}`), project }
  },
}
