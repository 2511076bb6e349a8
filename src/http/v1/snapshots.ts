import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { Snapshot, SnapshotPost, SnapshotPut, SnapshotsPost } from '../../contract/snapshot.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import { snapshotUrl } from '../../services/instance-urls.ts'
import type { Instances } from '../../services/instances.ts'
import type { Operations } from '../../services/operations.ts'
import type { Snapshots } from '../../services/snapshots.ts'
import { ACCEPTED, listOf, taggedOne } from '../accepting.ts'
import { accepted, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'
import { toSnapshot } from '../render/instance.ts'
import { InstanceParams, SnapshotParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

export interface SnapshotRoutesDeps {
  instances: Pick<Instances, 'get'>
  snapshots: Snapshots
  operations: Operations
}

const words = (root: InstanceRoot, id: string, summary: string) => wordsFor(root, id, summary, 'snapshots')

export function snapshotRoutes(app: App, deps: SnapshotRoutesDeps, root: InstanceRoot): void {
  const { instances, snapshots, operations } = deps
  const all = `/1.0/${root}/:name/snapshots`
  const listed = {
    ...words(root, 'listInstanceSnapshots', 'List the snapshots of an instance'),
    params: InstanceParams,
    querystring: ListQuery({}),
    response: listOf(ref(Snapshot)),
  }
  app.get(all, { schema: listed }, async (request) => {
    const where = whereOf(request)
    const matches = parseFilter(request.query.filter ?? '')
    const view = await instances.get(callerOf(request), where)
    const shown = view.snapshots.map((snapshot) => toSnapshot(snapshot, view)).filter(matches)
    return sync(recursionOf(request.query) > 0 ? shown : shown.map(({ name }) => snapshotUrl(where, name, root)))
  })

  const made = {
    ...words(root, 'createInstanceSnapshot', 'Take a snapshot: files and volumes, as they are now'),
    params: InstanceParams,
    querystring: InProject({}),
    body: ref(SnapshotsPost),
    response: ACCEPTED,
  }
  app.post(all, { schema: made }, async (request, reply) =>
    accepted(request, reply, operations, await snapshots.create(callerOf(request), whereOf(request), request.body)),
  )
  oneSnapshotRoutes(app, deps, root)
}

function oneSnapshotRoutes(app: App, { snapshots, operations }: SnapshotRoutesDeps, root: InstanceRoot): void {
  const one = `/1.0/${root}/:name/snapshots/:snapshot`
  const about = { params: SnapshotParams, querystring: InProject({ recursion: Type.Optional(Type.String()) }) }
  const got = { ...words(root, 'getInstanceSnapshot', 'Read a snapshot'), ...about, response: taggedOne(ref(Snapshot)) }
  app.get(one, { schema: got }, async (request, reply) => {
    const { view, snapshot } = await snapshots.get(callerOf(request), whereOf(request), request.params.snapshot)
    return tagged(reply, etagOf(snapshot.uuid, snapshot.rev), toSnapshot(snapshot, view))
  })

  const changed = (id: string, summary: string) => ({
    schema: { ...words(root, id, summary), ...about, body: ref(SnapshotPut), response: ACCEPTED },
  })
  app.put(one, changed('putInstanceSnapshot', 'Set when a snapshot expires'), async (request, reply) => {
    const change = { expires_at: request.body.expires_at, ifMatch: request.headers['if-match'] }
    const operation = await snapshots.update(callerOf(request), whereOf(request), request.params.snapshot, change)
    return accepted(request, reply, operations, operation)
  })
  app.patch(one, changed('patchInstanceSnapshot', 'Change when a snapshot expires'), async (request, reply) => {
    const caller = callerOf(request)
    const where = whereOf(request)
    const { snapshot } = request.params
    const kept = (await snapshots.get(caller, where, snapshot)).snapshot.expires_at
    const change = { expires_at: request.body.expires_at ?? kept, ifMatch: request.headers['if-match'] }
    return accepted(request, reply, operations, await snapshots.update(caller, where, snapshot, change))
  })

  const renamed = {
    ...words(root, 'renameInstanceSnapshot', 'Rename a snapshot'),
    ...about,
    body: ref(SnapshotPost),
    response: ACCEPTED,
  }
  app.post(one, { schema: renamed }, async (request, reply) => {
    const { body, params } = request
    const operation = await snapshots.rename(callerOf(request), whereOf(request), params.snapshot, body.name ?? '')
    return accepted(request, reply, operations, operation)
  })

  const removed = { ...words(root, 'deleteInstanceSnapshot', 'Delete a snapshot'), ...about, response: ACCEPTED }
  app.delete(one, { schema: removed }, async (request, reply) => {
    const operation = await snapshots.remove(callerOf(request), whereOf(request), request.params.snapshot)
    return accepted(request, reply, operations, operation)
  })
}
