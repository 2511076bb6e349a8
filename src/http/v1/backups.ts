/** Backups of instances. One is imported by `POST /1.0/instances`. */
import { Backup, BackupPost, BackupsPost } from '../../contract/backup.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { parseFilter } from '../../core/filter.ts'
import type { Backups } from '../../services/backups.ts'
import { backupUrl } from '../../services/instance-urls.ts'
import type { Operations } from '../../services/operations.ts'
import { ACCEPTED, listOf, oneOf } from '../accepting.ts'
import { accepted, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { recursionOf } from '../recursion.ts'
import { toBackup } from '../render/instance.ts'
import { BYTES, sendStream } from '../streams.ts'
import { BackupParams, InstanceParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

export interface BackupRoutesDeps {
  backups: Backups
  operations: Operations
}

const words = (root: InstanceRoot, id: string, summary: string) => wordsFor(root, id, summary, 'backups')

export function backupRoutes(app: App, deps: BackupRoutesDeps, root: InstanceRoot): void {
  const { backups, operations } = deps
  const all = `/1.0/${root}/:name/backups`
  const listed = {
    ...words(root, 'listInstanceBackups', 'List the backups of an instance'),
    params: InstanceParams,
    querystring: ListQuery({}),
    response: listOf(ref(Backup)),
  }
  app.get(all, { schema: listed }, async (request) => {
    const where = whereOf(request)
    const matches = parseFilter(request.query.filter ?? '')
    const shown = (await backups.list(callerOf(request), where)).map(toBackup).filter(matches)
    return sync(recursionOf(request.query) > 0 ? shown : shown.map(({ name }) => backupUrl(where, name, root)))
  })

  const made = {
    ...words(root, 'createInstanceBackup', 'Make a tarball of an instance with its snapshots and volumes'),
    params: InstanceParams,
    querystring: InProject({}),
    body: ref(BackupsPost),
    response: ACCEPTED,
  }
  app.post(all, { schema: made }, async (request, reply) =>
    accepted(request, reply, operations, await backups.create(callerOf(request), whereOf(request), request.body)),
  )
  oneBackupRoutes(app, deps, root)
}

function oneBackupRoutes(app: App, { backups, operations }: BackupRoutesDeps, root: InstanceRoot): void {
  const one = `/1.0/${root}/:name/backups/:backup`
  const about = { params: BackupParams, querystring: InProject({}) }
  const got = { ...words(root, 'getInstanceBackup', 'Read a backup'), ...about, response: oneOf(ref(Backup)) }
  app.get(one, { schema: got }, async (request) =>
    sync(toBackup((await backups.get(callerOf(request), whereOf(request), request.params.backup)).backup)),
  )

  const renamed = {
    ...words(root, 'renameInstanceBackup', 'Rename a backup'),
    ...about,
    body: ref(BackupPost),
    response: ACCEPTED,
  }
  app.post(one, { schema: renamed }, async (request, reply) => {
    const { body, params } = request
    const operation = await backups.rename(callerOf(request), whereOf(request), params.backup, body.name ?? '')
    return accepted(request, reply, operations, operation)
  })

  const removed = { ...words(root, 'deleteInstanceBackup', 'Delete a backup'), ...about, response: ACCEPTED }
  app.delete(one, { schema: removed }, async (request, reply) => {
    const operation = await backups.remove(callerOf(request), whereOf(request), request.params.backup)
    return accepted(request, reply, operations, operation)
  })

  const exported = { ...words(root, 'exportInstanceBackup', "Download a backup's tarball"), ...about, response: BYTES }
  app.get(`${one}/export`, { schema: exported }, async (request, reply) => {
    const { backup } = request.params
    return sendStream(reply, await backups.export(callerOf(request), whereOf(request), backup, clientGone(reply)))
  })
}
