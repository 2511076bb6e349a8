/** Instances: read, create, change, delete. Registered twice: `/1.0/containers` is the old name of the same thing. */
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import {
  Instance,
  InstanceExecPost,
  InstanceFull,
  InstancePatch,
  InstancePost,
  InstancePut,
  InstancesPost,
  InstancesPut,
  InstanceState,
  InstanceStatePut,
} from '../../contract/instance.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import type { Caller } from '../../services/caller.ts'
import type { InstanceBulk } from '../../services/instance-bulk.ts'
import type { createInstanceCreation } from '../../services/instance-creation.ts'
import { instanceUrl } from '../../services/instance-urls.ts'
import type { InstanceView } from '../../services/instance-views.ts'
import type { Instances } from '../../services/instances.ts'
import type { Operations } from '../../services/operations.ts'
import type { InstanceImport } from '../../services/instance-import.ts'
import type { Snapshots } from '../../services/snapshots.ts'
import { ACCEPTED, CHANGED, listOf, oneOf, taggedOne } from '../accepting.ts'
import { accepted, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { acceptOctets } from '../bodies.ts'
import { callerOf, listedProject, projectOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { recursionOf } from '../recursion.ts'
import { toInstance, toInstanceFull } from '../render/instance.ts'
import { toImportInfo } from '../upload-headers.ts'
import { InstanceParams, wordsFor, whereOf, type InstanceRoot } from './instance-paths.ts'

export interface InstanceRoutesDeps {
  instances: Instances & Pick<ReturnType<typeof createInstanceCreation>, 'create'> & InstanceBulk
  imports: InstanceImport
  snapshots: Snapshots
  operations: Operations
}

export function instanceRoutes(app: App, deps: InstanceRoutesDeps, root: InstanceRoot): void {
  listRoute(app, deps, root)
  app.register(async (uploads: App) => createRoute(uploads, deps, root))
  bulkRoute(app, deps, root)
  readRoutes(app, deps, root)
  writeRoutes(app, deps, root)
  stateRoutes(app, deps, root)
}

function listRoute(app: App, { instances }: InstanceRoutesDeps, root: InstanceRoot): void {
  const schema = {
    ...wordsFor(root, 'listInstances', 'List instances'),
    querystring: ListQuery({
      'instance-type': Type.Optional(Type.String({ description: 'Only this type.', examples: ['container'] })),
    }),
    response: listOf(Type.Union([ref(Instance), ref(InstanceFull)])),
  }
  app.get(`/1.0/${root}`, { schema }, async (request) => {
    const { query } = request
    const type = query['instance-type'] || 'container'
    const matches = parseFilter(query.filter ?? '')
    const all = type === 'container' ? await instances.list(callerOf(request), listedProject(request)) : []
    const chosen = all.filter((view) => matches(toInstance(view)))
    const recursion = recursionOf(query)
    if (recursion <= 0) return sync(chosen.map(({ record }) => instanceUrl(record, root)))
    return sync(recursion === 1 ? chosen.map(toInstance) : await withStates(instances, chosen))
  })
}

async function withStates(instances: Instances, views: InstanceView[]): Promise<InstanceFull[]> {
  const states = await instances.states(views)
  return views.map((view) => toInstanceFull(view, states.get(view.record.uuid)))
}

function createRoute(app: App, { instances, imports, operations }: InstanceRoutesDeps, root: InstanceRoot): void {
  acceptOctets(app)
  const schema = {
    ...wordsFor(root, 'createInstance', 'Create an instance from an image, another instance, a snapshot or a backup'),
    description:
      'A backup is sent as octet-stream: what an export has given, of Windlass or of LXD. Headers: `X-LXD-name` gives ' +
      'the instance another name, `X-LXD-pool` may be `default`.',
    consumes: ['application/json', 'application/octet-stream'],
    querystring: InProject({}),
    body: ref(InstancesPost),
    response: ACCEPTED,
  }
  app.post(`/1.0/${root}`, { schema }, async (request, reply) => {
    const project = request.query.project || 'default'
    const caller = callerOf(request)
    // By content type it is what the parsers of this scope have made of it.
    const body: unknown = request.body
    const operation =
      body instanceof Readable
        ? await imports.take(caller, project, body, { ...toImportInfo(request.headers), signal: clientGone(reply) })
        : await instances.create(caller, project, request.body)
    return accepted(request, reply, operations, operation)
  })
}

function bulkRoute(app: App, { instances, operations }: InstanceRoutesDeps, root: InstanceRoot): void {
  const schema = {
    ...wordsFor(root, 'putInstances', 'Start, stop, restart, freeze or unfreeze all instances of a project'),
    querystring: InProject({}),
    body: ref(InstancesPut),
    response: ACCEPTED,
  }
  app.put(`/1.0/${root}`, { schema }, async (request, reply) => {
    const operation = await instances.changeStates(callerOf(request), projectOf(request), request.body.state ?? {})
    return accepted(request, reply, operations, operation)
  })
}

function readRoutes(app: App, { instances }: InstanceRoutesDeps, root: InstanceRoot): void {
  const recursion = Type.Optional(Type.String({ description: '1: with state and snapshots.', examples: ['0'] }))
  const got = {
    ...wordsFor(root, 'getInstance', 'Read an instance'),
    params: InstanceParams,
    querystring: InProject({ recursion }),
    response: taggedOne(Type.Union([ref(InstanceFull), ref(Instance)])),
  }
  app.get(`/1.0/${root}/:name`, { schema: got }, async (request, reply) => {
    const caller = callerOf(request)
    const where = whereOf(request)
    const view = await instances.get(caller, where)
    const { uuid, rev } = view.record
    const isFull = recursionOf(request.query) > 0
    const shown = isFull ? toInstanceFull(view, await instances.state(caller, where)) : toInstance(view)
    return tagged(reply, etagOf(uuid, rev), shown)
  })
}

function writeRoutes(app: App, { instances, snapshots, operations }: InstanceRoutesDeps, root: InstanceRoot): void {
  const one = { params: InstanceParams, querystring: InProject({}) }
  const put = {
    ...wordsFor(root, 'putInstance', 'Change an instance as a whole, or restore a snapshot'),
    ...one,
    body: ref(InstancePut),
    response: ACCEPTED,
  }
  app.put(`/1.0/${root}/:name`, { schema: put }, async (request, reply) => {
    const { body, headers } = request
    const change = (caller: Caller) =>
      body.restore
        ? snapshots.restore(caller, whereOf(request), body.restore, body.stateful === true)
        : instances.update(caller, whereOf(request), body, headers['if-match'])
    return accepted(request, reply, operations, await change(callerOf(request)))
  })

  const patch = {
    ...wordsFor(root, 'patchInstance', 'Change some of an instance; answered when it is done'),
    ...one,
    body: ref(InstancePatch),
    response: CHANGED,
  }
  app.patch(`/1.0/${root}/:name`, { schema: patch }, async (request, reply) => {
    await instances.patch(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const rename = {
    ...wordsFor(root, 'renameInstance', 'Rename an instance'),
    ...one,
    body: ref(InstancePost),
    response: ACCEPTED,
  }
  app.post(`/1.0/${root}/:name`, { schema: rename }, async (request, reply) => {
    const operation = await instances.rename(callerOf(request), whereOf(request), request.body)
    return accepted(request, reply, operations, operation)
  })

  const remove = {
    ...wordsFor(root, 'deleteInstance', 'Delete an instance that is stopped'),
    ...one,
    response: ACCEPTED,
  }
  app.delete(`/1.0/${root}/:name`, { schema: remove }, async (request, reply) =>
    accepted(request, reply, operations, await instances.remove(callerOf(request), whereOf(request))),
  )
}

function stateRoutes(app: App, { instances, operations }: InstanceRoutesDeps, root: InstanceRoot): void {
  const one = { params: InstanceParams, querystring: InProject({}) }
  const state = {
    ...wordsFor(root, 'getInstanceState', 'Read what an instance uses at this moment'),
    ...one,
    response: oneOf(ref(InstanceState)),
  }
  app.get(`/1.0/${root}/:name/state`, { schema: state }, async (request) =>
    sync(await instances.state(callerOf(request), whereOf(request))),
  )

  const change = {
    ...wordsFor(root, 'putInstanceState', 'Start, stop, restart, freeze or unfreeze an instance'),
    ...one,
    body: ref(InstanceStatePut),
    response: ACCEPTED,
  }
  app.put(`/1.0/${root}/:name/state`, { schema: change }, async (request, reply) =>
    accepted(
      request,
      reply,
      operations,
      await instances.changeState(callerOf(request), whereOf(request), request.body),
    ),
  )

  const exec = {
    ...wordsFor(root, 'execInInstance', 'Run a command in an instance'),
    ...one,
    body: ref(InstanceExecPost),
    response: ACCEPTED,
  }
  app.post(`/1.0/${root}/:name/exec`, { schema: exec }, async (request, reply) =>
    accepted(request, reply, operations, await instances.exec(callerOf(request), whereOf(request), request.body)),
  )
}
