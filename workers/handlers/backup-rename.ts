import { loadBackup } from '../backups.ts'
import { loadInstance } from '../containers.ts'
import type { Handler } from '../steps.ts'

/** Gives the backup another name: a change of its record only, an operation because LXD answers with one. */
export const backupRename: Handler<'backup.rename'> = {
  steps: [],
  finish: async (context) => {
    const backup = await loadBackup(context, context.input.backup)
    const instance = await loadInstance(context, backup.instance)
    const { name } = context.input
    return {
      changes: [{ change: 'put', noun: 'backup', record: { ...backup, name } }],
      context: { old_name: `${instance.name}/${backup.name}` },
      source: context.operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(name)),
    }
  },
}
