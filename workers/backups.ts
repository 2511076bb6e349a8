import type { BackupRecord } from '../src/contract/records.ts'
import { notFound } from '../src/core/failure.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context } from './steps.ts'

export async function loadBackup(context: Context<Kind>, uuid: string): Promise<BackupRecord> {
  const backup = await context.records.get('backup', uuid)
  if (backup === undefined) throw notFound('Instance backup not found')
  return backup
}
