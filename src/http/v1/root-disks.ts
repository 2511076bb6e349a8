/** What LXD tells of the root disk of an instance beside the disk itself. */
import { NEVER } from '../../contract/common.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import type { SnapshotRecord } from '../../contract/records.ts'
import { StorageVolumeState } from '../../contract/storage.ts'
import { StorageVolumeSnapshot } from '../../contract/volume-snapshot.ts'
import { parseFilter } from '../../core/filter.ts'
import { rootSnapshotUrl } from '../../services/noun-urls.ts'
import type { Volumes } from '../../services/volumes.ts'
import { listOf, oneOf } from '../accepting.ts'
import { sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf, projectOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'
import { ALL_VOLUMES, VolumeParams, whereOf } from './volume-paths.ts'

const ROOT_DISK = `${ALL_VOLUMES}/container/:name`
const about = { tags: ['storage'], params: VolumeParams }

export function rootDiskRoutes(app: App, volumes: Pick<Volumes, 'rootState' | 'rootSnapshots'>): void {
  const state = {
    operationId: 'getRootDiskState',
    summary: 'Read what the root disk of an instance takes',
    ...about,
    querystring: InProject({}),
    response: oneOf(ref(StorageVolumeState)),
  }
  app.get(`${ROOT_DISK}/state`, { schema: state }, async (request) =>
    sync(await volumes.rootState(callerOf(request), whereOf(request))),
  )

  const snapshots = {
    operationId: 'listRootDiskSnapshots',
    summary: 'List the snapshots of the root disk of an instance',
    description: 'They are those of the instance, by which they are taken, changed and deleted.',
    ...about,
    querystring: ListQuery({}),
    response: listOf(ref(StorageVolumeSnapshot)),
  }
  app.get(`${ROOT_DISK}/snapshots`, { schema: snapshots }, async (request) => {
    const instance = { name: request.params.name, project: projectOf(request) }
    const matches = parseFilter(request.query.filter ?? '')
    const all = (await volumes.rootSnapshots(callerOf(request), whereOf(request)))
      .map((snapshot) => ({ snapshot, shown: toListed(instance.name, snapshot) }))
      .filter(({ shown }) => matches(shown))
    if (recursionOf(request.query) > 0) return sync(all.map(({ shown }) => shown))
    return sync(all.map(({ snapshot }) => rootSnapshotUrl(instance, snapshot.name)))
  })
}

function toListed(instance: string, snapshot: SnapshotRecord): StorageVolumeSnapshot {
  const { name, description, created_at, expires_at } = snapshot
  return {
    name: `${instance}/${name}`,
    description,
    content_type: 'filesystem',
    config: {},
    created_at,
    expires_at: expires_at === NEVER ? null : expires_at,
  }
}
