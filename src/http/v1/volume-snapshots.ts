/** Snapshots of custom volumes. One is restored by `PUT` of its volume. */
import { Type } from 'typebox'
import { NEVER } from '../../contract/common.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import {
  StorageVolumeSnapshot,
  StorageVolumeSnapshotPost,
  StorageVolumeSnapshotPut,
  StorageVolumeSnapshotsPost,
} from '../../contract/volume-snapshot.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import { volumeSnapshotUrl } from '../../services/noun-urls.ts'
import type { Operations } from '../../services/operations.ts'
import type { VolumeSnapshots, VolumeSnapshotView } from '../../services/volume-snapshots.ts'
import { ACCEPTED, CHANGED, listOf, taggedOne } from '../accepting.ts'
import { accepted, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'
import { CUSTOM_VOLUME, VolumeParams, whereOf } from './volume-paths.ts'

export interface VolumeSnapshotRoutesDeps {
  volumeSnapshots: VolumeSnapshots
  operations: Operations
}

const tags = ['storage']
const ALL = `${CUSTOM_VOLUME}/snapshots`
const ONE = `${ALL}/:snapshot`
const SnapshotParams = Type.Object({ ...VolumeParams.properties, snapshot: Type.String({ examples: ['snap0'] }) })

export function volumeSnapshotRoutes(app: App, deps: VolumeSnapshotRoutesDeps): void {
  const { volumeSnapshots: snapshots, operations } = deps
  const listed = {
    operationId: 'listStorageVolumeSnapshots',
    summary: 'List the snapshots of a storage volume',
    tags,
    params: VolumeParams,
    querystring: ListQuery({}),
    response: listOf(ref(StorageVolumeSnapshot)),
  }
  app.get(ALL, { schema: listed }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const all = (await snapshots.list(callerOf(request), whereOf(request))).map((view) => ({
      view,
      shown: toListed(view),
    }))
    const chosen = all.filter(({ shown }) => matches(shown))
    if (recursionOf(request.query) > 0) return sync(chosen.map(({ shown }) => shown))
    return sync(chosen.map(({ view: { volume, snapshot } }) => volumeSnapshotUrl(volume, snapshot.name)))
  })

  const made = {
    operationId: 'createStorageVolumeSnapshot',
    summary: 'Take a snapshot of a storage volume: a copy of its files as they are now',
    tags,
    params: VolumeParams,
    querystring: InProject({}),
    body: ref(StorageVolumeSnapshotsPost),
    response: ACCEPTED,
  }
  app.post(ALL, { schema: made }, async (request, reply) =>
    accepted(request, reply, operations, await snapshots.create(callerOf(request), whereOf(request), request.body)),
  )
  oneSnapshotRoutes(app, deps)
}

function oneSnapshotRoutes(app: App, { volumeSnapshots: snapshots, operations }: VolumeSnapshotRoutesDeps): void {
  const about = { tags, params: SnapshotParams, querystring: InProject({}) }
  const got = {
    operationId: 'getStorageVolumeSnapshot',
    summary: 'Read a snapshot of a storage volume',
    ...about,
    response: taggedOne(ref(StorageVolumeSnapshot)),
  }
  app.get(ONE, { schema: got }, async (request, reply) => {
    const { snapshot } = await snapshots.get(callerOf(request), whereOf(request), request.params.snapshot)
    return tagged(reply, etagOf(snapshot.uuid, snapshot.rev), toSnapshot(snapshot))
  })

  const changed = (operationId: string, summary: string) => ({
    schema: { operationId, summary, ...about, body: ref(StorageVolumeSnapshotPut), response: CHANGED },
  })
  const put = changed('putStorageVolumeSnapshot', 'Set description and expiry of a snapshot of a storage volume')
  app.put(ONE, put, async (request, reply) => {
    const { description = '', expires_at = null } = request.body
    const change = { body: { description: description ?? '', expires_at }, ifMatch: request.headers['if-match'] }
    await snapshots.update(keeping(request, DONE), whereOf(request), request.params.snapshot, change)
    return give(reply, DONE)
  })
  const patch = changed('patchStorageVolumeSnapshot', 'Change description or expiry of a snapshot of a storage volume')
  app.patch(ONE, patch, async (request, reply) => {
    const change = { body: request.body, ifMatch: request.headers['if-match'] }
    await snapshots.update(keeping(request, DONE), whereOf(request), request.params.snapshot, change)
    return give(reply, DONE)
  })

  const renamed = {
    operationId: 'renameStorageVolumeSnapshot',
    summary: 'Rename a snapshot of a storage volume',
    ...about,
    body: ref(StorageVolumeSnapshotPost),
    response: ACCEPTED,
  }
  app.post(ONE, { schema: renamed }, async (request, reply) => {
    const { body, params } = request
    const operation = await snapshots.rename(callerOf(request), whereOf(request), params.snapshot, body.name ?? '')
    return accepted(request, reply, operations, operation)
  })

  const removed = {
    operationId: 'deleteStorageVolumeSnapshot',
    summary: 'Delete a snapshot of a storage volume',
    ...about,
    response: ACCEPTED,
  }
  app.delete(ONE, { schema: removed }, async (request, reply) => {
    const operation = await snapshots.remove(callerOf(request), whereOf(request), request.params.snapshot)
    return accepted(request, reply, operations, operation)
  })
}

function toSnapshot({
  name,
  description,
  config,
  created_at,
  expires_at,
}: VolumeSnapshotView['snapshot']): StorageVolumeSnapshot {
  return { name, description, config, created_at, expires_at, content_type: 'filesystem' }
}

/** As LXD lists them: by the long name, and without an expiry where there is none. */
function toListed({ volume, snapshot }: VolumeSnapshotView): StorageVolumeSnapshot {
  const { name, expires_at } = snapshot
  return {
    ...toSnapshot(snapshot),
    name: `${volume.name}/${name}`,
    expires_at: expires_at === NEVER ? null : expires_at,
  }
}
