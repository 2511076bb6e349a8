import { loadBackup } from '../backups.ts'
import { loadInstance } from '../containers.ts'
import { renamed, type Handler } from '../steps.ts'

/** Gives the backup another name: a change of its record only, an operation because LXD answers with one. */
export const backupRename: Handler<'backup.rename'> = {
  steps: [],
  finish: async (context) => {
    const backup = await loadBackup(context, context.input.backup)
    const instance = await loadInstance(context, backup.instance)
    const record = { ...backup, name: context.input.name }
    return renamed(context, { noun: 'backup', record }, `${instance.name}/${backup.name}`)
  },
}
