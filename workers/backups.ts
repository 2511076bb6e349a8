/** What the handlers of backups share, of instances and of custom volumes. */
import type { BackupRecord, VolumeBackupRecord } from '../src/contract/records.ts'
import type { PackOptions } from '../src/core/backups.ts'
import { notFound } from '../src/core/failure.ts'
import { backupVolume, KEPT_FILE, type KeptFile } from '../src/core/kept-files.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { dropVolume } from './images.ts'
import type { Context } from './steps.ts'

export async function loadBackup(context: Context<Kind>, uuid: string): Promise<BackupRecord> {
  const backup = await context.records.get('backup', uuid)
  if (backup === undefined) throw notFound('Instance backup not found')
  return backup
}

type Packing = Context<'backup.create' | 'volume-backup.create'>

/** Keeps the tarball that `pack` makes. Half a one of an earlier attempt is thrown away first. */
export async function keepBackup(
  context: Packing,
  record: BackupRecord | VolumeBackupRecord,
  pack: (options: PackOptions) => Promise<KeptFile>,
): Promise<KeptFile> {
  const { uuid, project } = record
  const volume = backupVolume(uuid)
  await dropVolume(context, volume)
  const labels = context.labels({ role: 'backup', uuid, project, origin: record })
  const onProgress = (text: string): void => context.progress(text, 0)
  return pack({ volume, file: KEPT_FILE, labels, compression: context.input.compression, onProgress })
}

/** The undo of that. */
export async function dropBackup(context: Packing, { uuid }: { uuid: string }): Promise<string | undefined> {
  return (await dropVolume(context, backupVolume(uuid))) ? 'Removed the new backup' : undefined
}
