/** Backups of custom volumes: made, listed, sent, renamed and deleted. Importing one is in volume-import.ts. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { VolumeBackupRecord, VolumeRecord } from '../contract/records.ts'
import type { StorageVolumeBackupsPost } from '../contract/volume-backup.ts'
import { parseCompression } from '../core/compression.ts'
import { notFound } from '../core/failure.ts'
import { backupNumberedName, parseBackupName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { parseExpiry } from '../core/times.ts'
import { requireAllowed } from './allowances.ts'
import { requireRole, type Caller } from './caller.ts'
import type { SendTarball } from './kept-tarballs.ts'
import { volumeBackupUrl, volumeUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import { asSeen, partClaims, type Seen } from './part-claims.ts'
import { readingClaims, type VolumeFinder, type WhereVolume } from './volume-finder.ts'
import { snapshotClaims } from './volume-snapshots.ts'

export interface VolumeBackupsDeps {
  records: RecordReader
  operations: Operations
  finder: VolumeFinder
  clock: Clock
  send: SendTarball
}

/** A backup and the volume it is of. */
export interface VolumeBackupView {
  volume: VolumeRecord
  backup: VolumeBackupRecord
}

export type VolumeBackups = ReturnType<typeof createVolumeBackups>

export function createVolumeBackups({ records, operations, finder, clock, send }: VolumeBackupsDeps) {
  async function list(caller: Caller, where: WhereVolume): Promise<VolumeBackupView[]> {
    const volume = await finder.load(caller, where)
    const found = await records.list('volume-backup', volume.uuid)
    return found.map((backup) => ({ volume, backup }))
  }

  async function get(caller: Caller, where: WhereVolume, name: string): Promise<VolumeBackupView> {
    return backupOf(await finder.load(caller, where), name)
  }

  async function getToChange(caller: Caller, where: WhereVolume, name: string): Promise<VolumeBackupView> {
    return backupOf(await finder.loadToChange(caller, where), name)
  }

  async function backupOf(volume: VolumeRecord, name: string): Promise<VolumeBackupView> {
    const backup = await records.find('volume-backup', volume.uuid, name)
    if (backup === undefined) throw notFound('Storage volume backup not found')
    return { volume, backup }
  }

  async function create(caller: Caller, where: WhereVolume, body: StorageVolumeBackupsPost): Promise<OperationRecord> {
    const volume = await finder.loadToChange(caller, where)
    const project = await requireAllowed(records, volume.project, 'backup')
    const record = await draftOf(volume, body)
    const compression = parseCompression(body.compression_algorithm || project['backups.compression_algorithm'] || '')
    const snapshots = record.volume_only ? [] : await records.list('volume-snapshot', volume.uuid)
    const users = await finder.mountersOf(volume)
    return operations.submit(caller, {
      kind: 'volume-backup.create',
      input: { record, compression, users, snapshots: snapshots.map(({ uuid }) => uuid) },
      ...about({ volume, backup: record }, where.project),
      names: [{ noun: 'volume-backup', scope: volume.uuid, name: record.name }],
      taken: `Backup "${record.name}" already exists`,
      busy: [...readingClaims(volume, users, 'backup'), ...snapshotClaims(snapshots, 'backup')],
    })
  }

  async function draftOf(
    { uuid: parent, project, member }: VolumeRecord,
    body: StorageVolumeBackupsPost,
  ): Promise<VolumeBackupRecord> {
    const others = (await records.list('volume-backup', parent)).map(({ name }) => name)
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project,
      name: body.name ? parseBackupName(body.name) : backupNumberedName(others),
      member,
      parent,
      volume_only: body.volume_only ?? false,
      created_at: new Date(clock.now()).toISOString(),
      expires_at: parseExpiry(body.expires_at),
      size: 0,
      tarball: '',
    }
  }

  async function rename(caller: Caller, where: WhereVolume, name: string, newName: string): Promise<OperationRecord> {
    const view = await getToChange(caller, where, name)
    parseBackupName(newName)
    return operations.submit(caller, {
      kind: 'volume-backup.rename',
      input: { backup: view.backup.uuid, name: newName },
      ...about(view, where.project),
      names: [{ noun: 'volume-backup', scope: view.volume.uuid, name: newName }],
      taken: `Backup "${newName}" already exists`,
      busy: partClaims(`volume:${view.volume.uuid}`, `volume-backup:${view.backup.uuid}`, 'rename'),
    })
  }

  /** One that is just being sent is sent to its end. `seen`: only while it is as it was when somebody decided on it. */
  async function remove(caller: Caller, where: WhereVolume, name: string, seen?: Seen): Promise<OperationRecord> {
    const view = await getToChange(caller, where, name)
    return operations.submit(caller, {
      kind: 'volume-backup.delete',
      input: { backup: view.backup.uuid },
      ...about(view, where.project),
      busy: partClaims(`volume:${view.volume.uuid}`, `volume-backup:${view.backup.uuid}`, 'delete'),
      ...asSeen('volume-backup', seen),
    })
  }

  /** The tarball. Must be read or destroyed. */
  async function exportTarball(caller: Caller, where: WhereVolume, name: string, signal?: AbortSignal) {
    requireRole(caller, 'operator')
    const { volume, backup } = await get(caller, where, name)
    const event = { action: 'storage-volume-backup-retrieved', source: volumeBackupUrl(volume, name) }
    return send(caller, backup, event, signal)
  }

  return { list, get, create, rename, remove, export: exportTarball }
}

function about({ volume, backup }: VolumeBackupView, project: string) {
  const { member } = volume
  return {
    project,
    member,
    entity: { id: backup.uuid, name: `${volume.name}/${backup.name}`, url: volumeBackupUrl(volume, backup.name) },
    // LXD's clients take the name of a new backup from this odd form.
    resources: { storage_volumes: [volumeUrl(volume)], backups: [`/1.0/backups/${backup.name}`] },
  }
}
