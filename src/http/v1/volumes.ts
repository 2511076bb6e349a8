/** Storage volumes: custom ones, and the root disks of instances to look at. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { Sync } from '../../contract/envelope.ts'
import { ref } from '../../contract/named.ts'
import { Operation } from '../../contract/operation.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import {
  StorageVolume,
  StorageVolumePatch,
  StorageVolumePost,
  StorageVolumePut,
  StorageVolumesPost,
  StorageVolumeState,
} from '../../contract/storage.ts'
import { etagOf } from '../../core/etag.ts'
import { notFound } from '../../core/failure.ts'
import { parseFilter } from '../../core/filter.ts'
import { rootVolumeUrl, volumeSnapshotUrl, volumeUrl } from '../../services/noun-urls.ts'
import type { Operations } from '../../services/operations.ts'
import type { VolumeCopies } from '../../services/volume-copies.ts'
import { VOLUME_MISSING } from '../../services/volume-finder.ts'
import type { VolumeImport } from '../../services/volume-import.ts'
import type { VolumeSnapshots } from '../../services/volume-snapshots.ts'
import type { ListedVolume, RootVolumeView, Volumes, VolumeView } from '../../services/volumes.ts'
import { ACCEPTED, CHANGED, CREATED, listOf, oneOf, taggedOne } from '../accepting.ts'
import { accepted, created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { acceptOctets } from '../bodies.ts'
import { asListed, callerOf, listedProject, projectOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { recursionOf } from '../recursion.ts'
import { toImportInfo } from '../upload-headers.ts'
import { rootDiskRoutes } from './root-disks.ts'
import { ALL_VOLUMES, CUSTOM_VOLUME, PoolParams, VolumeParams, whereOf } from './volume-paths.ts'

const tags = ['storage']
const Typed = Type.Object({ ...PoolParams.properties, type: Type.String({ examples: ['custom'] }) })
const Any = Type.Object({ ...Typed.properties, name: Type.String({ examples: ['data'] }) })

/** A volume with its URL. */
interface Shown {
  url: string
  volume: StorageVolume
}

export interface VolumeRoutesDeps {
  volumes: Volumes
  volumeCopies: VolumeCopies
  volumeImports: VolumeImport
  volumeSnapshots: Pick<VolumeSnapshots, 'restore'>
  operations: Operations
}

export function volumeRoutes(app: App, deps: VolumeRoutesDeps): void {
  const { volumes } = deps
  listRoutes(app, volumes)
  const got = {
    operationId: 'getStorageVolume',
    summary: 'Read a storage volume',
    tags,
    params: Any,
    querystring: InProject({}),
    response: taggedOne(ref(StorageVolume)),
  }
  app.get(`${ALL_VOLUMES}/:type/:name`, { schema: got }, async (request, reply) => {
    const { type, pool, name } = request.params
    const where = { pool, name, project: projectOf(request) }
    if (type === 'container') return sync(fromRoot(await volumes.root(callerOf(request), where)).volume)
    if (type !== 'custom') throw notFound(VOLUME_MISSING)
    const view = await volumes.get(callerOf(request), where)
    return tagged(reply, etagOf(view.record.uuid, view.record.rev), fromVolume(view).volume)
  })
  const state = {
    operationId: 'getStorageVolumeState',
    summary: 'Read what a storage volume takes',
    tags,
    params: VolumeParams,
    querystring: InProject({}),
    response: oneOf(ref(StorageVolumeState)),
  }
  app.get(`${CUSTOM_VOLUME}/state`, { schema: state }, async (request) =>
    sync(await volumes.state(callerOf(request), whereOf(request))),
  )
  rootDiskRoutes(app, volumes)
  app.register(async (uploads: App) => createRoute(uploads, deps))
  writeRoutes(app, deps)
}

function listRoutes(app: App, volumes: Volumes): void {
  const querystring = ListQuery({})
  const response = listOf(ref(StorageVolume))
  const all = {
    operationId: 'listStorageVolumes',
    summary: 'List storage volumes',
    tags,
    params: PoolParams,
    querystring,
    response,
  }
  app.get(ALL_VOLUMES, { schema: all }, async (request) => {
    const caller = callerOf(request)
    const project = listedProject(request)
    const { pool } = request.params
    const [roots, own] = await Promise.all([volumes.roots(caller, pool, project), volumes.list(caller, pool, project)])
    return sync(choose(request.query, [...roots.map(fromRoot), ...own.flatMap((view) => fromListed(view, project))]))
  })

  const typed = {
    ...all,
    operationId: 'listStorageVolumesOfType',
    summary: 'List storage volumes of a type',
    params: Typed,
  }
  app.get(`${ALL_VOLUMES}/:type`, { schema: typed }, async (request) => {
    const caller = callerOf(request)
    const project = listedProject(request)
    const { pool, type } = request.params
    if (type === 'container')
      return sync(choose(request.query, (await volumes.roots(caller, pool, project)).map(fromRoot)))
    const own = await volumes.list(caller, pool, project)
    return sync(choose(request.query, type === 'custom' ? own.flatMap((view) => fromListed(view, project)) : []))
  })
}

function choose(query: { filter?: string; recursion?: string }, all: Shown[]): string[] | StorageVolume[] {
  const matches = parseFilter(query.filter ?? '')
  const chosen = all.filter(({ volume }) => matches(volume))
  return recursionOf(query) > 0 ? chosen.map(({ volume }) => volume) : chosen.map(({ url }) => url)
}

/** LXD answers a creation with 200, not 201, and without a location; a copy is an operation. */
function createRoute(app: App, { volumes, volumeCopies, volumeImports, operations }: VolumeRoutesDeps): void {
  acceptOctets(app)
  const schema = {
    operationId: 'createStorageVolume',
    summary: 'Create, copy or import a storage volume',
    description:
      'A new one is there when this is answered, with nothing but success; a copy is made in the background. A backup is ' +
      'sent as octet-stream: what an export has given, of Windlass or of LXD. The header `X-LXD-name` gives it another name.',
    consumes: ['application/json', 'application/octet-stream'],
    tags,
    params: PoolParams,
    querystring: InProject({}),
    body: ref(StorageVolumesPost),
    response: { ...ACCEPTED, 200: Sync(Type.Union([ref(Operation), Type.Object({})])) },
  }
  const any = { operationId: 'createStorageVolumeOfAnyType', summary: 'Create or copy one, the type in the body' }
  const repeated = async (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) => {
    if (operation.kind !== 'volume.create') return accepted(request, reply, operations, operation)
    await operations.finish(operation)
    return give(reply, DONE)
  }
  for (const [url, words] of [
    [`${ALL_VOLUMES}/custom`, {}],
    [ALL_VOLUMES, any],
  ] as const)
    app.post(url, { schema: { ...schema, ...words }, config: { repeated } }, async (request, reply) => {
      const where = { pool: request.params.pool, project: projectOf(request) }
      // By content type it is what the parsers of this scope have made of it.
      const body: unknown = request.body
      if (body instanceof Readable) {
        const { name } = toImportInfo(request.headers)
        const info = { name, signal: clientGone(reply) }
        return accepted(request, reply, operations, await volumeImports.take(callerOf(request), where, body, info))
      }
      if (request.body.source?.type === 'copy')
        return accepted(request, reply, operations, await volumeCopies.copy(callerOf(request), where, request.body))
      await volumes.create(keeping(request, DONE), where, request.body)
      return give(reply, DONE)
    })
}

function writeRoutes(app: App, { volumes, volumeSnapshots }: VolumeRoutesDeps): void {
  const one = { tags, params: VolumeParams, querystring: InProject({}) }
  const put = {
    operationId: 'putStorageVolume',
    summary: 'Change a storage volume as a whole, or restore a snapshot',
    ...one,
  }
  app.put(
    CUSTOM_VOLUME,
    { schema: { ...put, body: ref(StorageVolumePut), response: CHANGED } },
    async (request, reply) => {
      const { body, headers } = request
      const change = body.restore ? volumeSnapshots.restore : volumes.update
      await change(keeping(request, DONE), whereOf(request), body, headers['if-match'])
      return give(reply, DONE)
    },
  )

  const patch = { operationId: 'patchStorageVolume', summary: 'Change some of a storage volume', ...one }
  app.patch(
    CUSTOM_VOLUME,
    { schema: { ...patch, body: ref(StorageVolumePatch), response: CHANGED } },
    async (request, reply) => {
      await volumes.patch(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
      return give(reply, DONE)
    },
  )

  const renamed = { operationId: 'renameStorageVolume', summary: 'Rename a storage volume', ...one }
  app.post(
    CUSTOM_VOLUME,
    { schema: { ...renamed, body: ref(StorageVolumePost), response: CREATED } },
    async (request, reply) => {
      const answer = created(volumeUrl({ project: projectOf(request), name: request.body.name ?? '' }))
      await volumes.rename(keeping(request, answer), whereOf(request), request.body)
      return give(reply, answer)
    },
  )

  const removed = { operationId: 'deleteStorageVolume', summary: 'Delete a storage volume that nothing uses', ...one }
  app.delete(CUSTOM_VOLUME, { schema: { ...removed, response: CHANGED } }, async (request, reply) => {
    await volumes.remove(keeping(request, DONE), whereOf(request))
    return give(reply, DONE)
  })
}

function fromVolume({ record, usedBy }: VolumeView): Shown {
  const { name, description, config, project, created_at } = record
  const fixed = { type: 'custom', content_type: 'filesystem', location: 'none' } as const
  return {
    url: volumeUrl(record),
    volume: { name, description, config, project, created_at, used_by: usedBy, ...fixed },
  }
}

/** LXD lists the snapshots after their volume, as volumes of that type; they are read in the project that was asked for. */
function fromListed(view: ListedVolume, project: string | undefined): Shown[] {
  const where = asListed(view.record, project)
  const shown = { ...fromVolume(view), url: volumeUrl(where) }
  const { name: own } = where
  const snapshots = view.snapshots.map(({ name, description, config, created_at }) => ({
    url: volumeSnapshotUrl(where, name),
    volume: { ...shown.volume, name: `${own}/${name}`, description, config, created_at, used_by: [] },
  }))
  return [shown, ...snapshots]
}

function fromRoot({ instance, usedBy }: RootVolumeView): Shown {
  const { name, description, project, created_at } = instance
  const fixed = { type: 'container', content_type: 'filesystem', location: 'none', config: {} } as const
  return { url: rootVolumeUrl(instance), volume: { name, description, project, created_at, used_by: usedBy, ...fixed } }
}
