/** Backups of instances: made, listed, sent, renamed and deleted. Importing one is in instance-import.ts. */
import type { BackupsPost } from '../contract/backup.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { BackupRecord, InstanceRecord } from '../contract/records.ts'
import { parseCompression } from '../core/compression.ts'
import { notFound } from '../core/failure.ts'
import { backupNumberedName, parseBackupName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { parseExpiry } from '../core/times.ts'
import { requireAllowed } from './allowances.ts'
import { requireRole, type Caller } from './caller.ts'
import { backupResources, backupUrl } from './instance-urls.ts'
import type { InstanceView, InstanceViews, Where } from './instance-views.ts'
import { on, requireOwn } from './instance-operations.ts'
import type { SendTarball } from './kept-tarballs.ts'
import type { Operations } from './operations.ts'
import { asSeen, partClaims, type Seen } from './part-claims.ts'

export interface BackupsDeps {
  records: RecordReader
  views: Pick<InstanceViews, 'get'>
  operations: Operations
  clock: Clock
  send: SendTarball
}

export type Backups = ReturnType<typeof createBackups>

export function createBackups({ records, views, operations, clock, send }: BackupsDeps) {
  /** Of one instance, oldest first. */
  async function list(caller: Caller, where: Where): Promise<BackupRecord[]> {
    return (await views.get(caller, where)).backups
  }

  async function get(caller: Caller, where: Where, name: string) {
    const { record, backups } = await views.get(caller, where)
    const backup = backups.find((one) => one.name === name)
    if (backup === undefined) throw notFound('Instance backup not found')
    return { instance: record, backup }
  }

  async function create(caller: Caller, where: Where, body: BackupsPost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const view = await views.get(caller, where)
    requireOwn(view)
    const instance = view.record
    const record = draftOf(view, body)
    const project = await requireAllowed(records, instance.project, 'backup')
    const wanted = body.compression_algorithm || project['backups.compression_algorithm'] || ''
    const input = { instance: instance.uuid, record, compression: parseCompression(wanted) }
    return operations.submit(caller, {
      ...on(instance, 'backup.create', input),
      ...about(instance, record),
      names: [{ noun: 'backup', scope: instance.uuid, name: record.name }],
      taken: `Backup "${record.name}" already exists`,
    })
  }

  function draftOf({ record: instance, backups }: InstanceView, body: BackupsPost): BackupRecord {
    const name = body.name ? parseBackupName(body.name) : backupNumberedName(backups.map((one) => one.name))
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project: instance.project,
      name,
      member: instance.member,
      instance: instance.uuid,
      instance_only: body.instance_only ?? body.container_only ?? false,
      created_at: new Date(clock.now()).toISOString(),
      expires_at: parseExpiry(body.expires_at),
      size: 0,
      tarball: '',
    }
  }

  async function rename(caller: Caller, where: Where, name: string, newName: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { instance, backup } = await get(caller, where, name)
    parseBackupName(newName)
    return operations.submit(caller, {
      ...on(instance, 'backup.rename', { instance: instance.uuid, backup: backup.uuid, name: newName }),
      ...about(instance, backup),
      names: [{ noun: 'backup', scope: instance.uuid, name: newName }],
      taken: `Backup "${newName}" already exists`,
      busy: partClaims(`instance:${instance.uuid}`, `backup:${backup.uuid}`, 'rename'),
    })
  }

  /** One that is just being sent is sent to its end. `seen`: only while it is as it was when somebody decided on it. */
  async function remove(caller: Caller, where: Where, name: string, seen?: Seen): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { instance, backup } = await get(caller, where, name)
    return operations.submit(caller, {
      ...on(instance, 'backup.delete', { instance: instance.uuid, backup: backup.uuid }),
      ...about(instance, backup),
      busy: partClaims(`instance:${instance.uuid}`, `backup:${backup.uuid}`, 'delete'),
      ...asSeen('backup', seen),
    })
  }

  /** The tarball. Must be read or destroyed. */
  async function exportTarball(caller: Caller, where: Where, name: string, signal?: AbortSignal) {
    requireRole(caller, 'operator')
    const { instance, backup } = await get(caller, where, name)
    return send(caller, backup, { action: 'instance-backup-retrieved', source: backupUrl(instance, name) }, signal)
  }

  return { list, get, create, rename, remove, export: exportTarball }
}

function about(instance: InstanceRecord, backup: BackupRecord) {
  return {
    entity: { id: backup.uuid, name: `${instance.name}/${backup.name}`, url: backupUrl(instance, backup.name) },
    resources: backupResources(instance, backup.name),
  }
}
