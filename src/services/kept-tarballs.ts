/** Tarballs of backups, on their way from an engine to a client. */
import type { Readable } from 'node:stream'
import type { BackupRecord, VolumeBackupRecord } from '../contract/records.ts'
import { isFailure, notFound } from '../core/failure.ts'
import { KEPT_FILE } from '../core/kept-files.ts'
import type { Caller } from './caller.ts'
import type { OpenKept } from './kept-files.ts'
import type { Write } from './writes.ts'

export interface KeptTarballsDeps {
  openKept: OpenKept
  write: Write
}

export interface SentTarball {
  filename: string
  size: number
  content: Readable
}

/** Opens a backup's tarball, and tells that it is fetched. The content must be read or destroyed. */
export type SendTarball = (
  caller: Caller,
  backup: BackupRecord | VolumeBackupRecord,
  event: { action: string; source: string },
  signal?: AbortSignal,
) => Promise<SentTarball>

export function createSendTarball({ openKept, write }: KeptTarballsDeps): SendTarball {
  return async (caller, { uuid, project, member, name, tarball }, event, signal) => {
    const file = await openKept({ member, volume: tarball, file: KEPT_FILE, uuid, project }, signal)
    if (file === undefined) throw notFound(`The tarball of backup "${name}" is gone from the engine`)
    // Reading goes on while Redis is away.
    await write(caller, { changes: [], event: { ...event, project } }).catch((failure: unknown) => {
      if (isFailure(failure, 'unavailable')) return
      file.content.destroy()
      throw failure
    })
    return { filename: '', size: file.size, content: file.content }
  }
}
