/** Backups of custom volumes. One is imported by `POST` to the volumes. */
import { Type } from 'typebox'
import { BackupPost } from '../../contract/backup.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { StorageVolumeBackup, StorageVolumeBackupsPost } from '../../contract/volume-backup.ts'
import { parseFilter } from '../../core/filter.ts'
import { volumeBackupUrl } from '../../services/noun-urls.ts'
import type { Operations } from '../../services/operations.ts'
import type { VolumeBackups, VolumeBackupView } from '../../services/volume-backups.ts'
import { ACCEPTED, listOf, oneOf } from '../accepting.ts'
import { accepted, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { recursionOf } from '../recursion.ts'
import { BYTES, sendStream } from '../streams.ts'
import { CUSTOM_VOLUME, VolumeParams, whereOf } from './volume-paths.ts'

export interface VolumeBackupRoutesDeps {
  volumeBackups: VolumeBackups
  operations: Operations
}

const tags = ['storage']
const ALL = `${CUSTOM_VOLUME}/backups`
const ONE = `${ALL}/:backup`
const BackupParams = Type.Object({ ...VolumeParams.properties, backup: Type.String({ examples: ['backup0'] }) })

export function volumeBackupRoutes(app: App, deps: VolumeBackupRoutesDeps): void {
  const { volumeBackups: backups, operations } = deps
  const listed = {
    operationId: 'listStorageVolumeBackups',
    summary: 'List the backups of a storage volume',
    tags,
    params: VolumeParams,
    querystring: ListQuery({}),
    response: listOf(ref(StorageVolumeBackup)),
  }
  app.get(ALL, { schema: listed }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const all = await backups.list(callerOf(request), whereOf(request))
    const chosen = all.filter((view) => matches(toBackup(view)))
    if (recursionOf(request.query) > 0) return sync(chosen.map(toBackup))
    return sync(chosen.map(({ volume, backup }) => volumeBackupUrl(volume, backup.name)))
  })

  const made = {
    operationId: 'createStorageVolumeBackup',
    summary: 'Make a tarball of a storage volume with its snapshots',
    tags,
    params: VolumeParams,
    querystring: InProject({}),
    body: ref(StorageVolumeBackupsPost),
    response: ACCEPTED,
  }
  app.post(ALL, { schema: made }, async (request, reply) =>
    accepted(request, reply, operations, await backups.create(callerOf(request), whereOf(request), request.body)),
  )
  oneBackupRoutes(app, deps)
}

function oneBackupRoutes(app: App, { volumeBackups: backups, operations }: VolumeBackupRoutesDeps): void {
  const about = { tags, params: BackupParams, querystring: InProject({}) }
  const words = (operationId: string, summary: string) => ({ operationId, summary, ...about })
  const got = {
    ...words('getStorageVolumeBackup', 'Read a backup of a storage volume'),
    response: oneOf(ref(StorageVolumeBackup)),
  }
  app.get(ONE, { schema: got }, async (request) =>
    sync(toBackup(await backups.get(callerOf(request), whereOf(request), request.params.backup))),
  )

  const renamed = {
    ...words('renameStorageVolumeBackup', 'Rename a backup of a storage volume'),
    body: ref(BackupPost),
    response: ACCEPTED,
  }
  app.post(ONE, { schema: renamed }, async (request, reply) => {
    const { body, params } = request
    const operation = await backups.rename(callerOf(request), whereOf(request), params.backup, body.name ?? '')
    return accepted(request, reply, operations, operation)
  })

  const removed = {
    ...words('deleteStorageVolumeBackup', 'Delete a backup of a storage volume'),
    response: ACCEPTED,
  }
  app.delete(ONE, { schema: removed }, async (request, reply) => {
    const operation = await backups.remove(callerOf(request), whereOf(request), request.params.backup)
    return accepted(request, reply, operations, operation)
  })

  const exported = {
    ...words('exportStorageVolumeBackup', 'Download the tarball of a backup of a storage volume'),
    response: BYTES,
  }
  app.get(`${ONE}/export`, { schema: exported }, async (request, reply) => {
    const { backup } = request.params
    return sendStream(reply, await backups.export(callerOf(request), whereOf(request), backup, clientGone(reply)))
  })
}

function toBackup({ backup }: VolumeBackupView): StorageVolumeBackup {
  const { name, created_at, expires_at, volume_only } = backup
  return { name, created_at, expires_at, volume_only, optimized_storage: false }
}
