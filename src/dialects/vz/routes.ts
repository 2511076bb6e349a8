/** The routes of containers. */
import type { FastifyRequest } from 'fastify'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { checkIfMatch, etagOf } from '../../core/etag.ts'
import { badRequest } from '../../core/failure.ts'
import { foreignRefusal, isForeign } from '../../core/foreign.ts'
import { parseStateAction } from '../../core/instance-status.ts'
import { requireRole } from '../../services/caller.ts'
import { bothSlashes, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { createContainer } from './creation.ts'
import { checkState } from './errors.ts'
import { createFigures } from './figures.ts'
import { findNumbered, listNumbered, type Numbered } from './numbers.ts'
import { acceptance, findOperation, show } from './routes-operations.ts'
import { replaceConfig, toContainer } from './translate.ts'
import * as wire from './wire.ts'

const ROOT = '/1.0/vz'
const tags = ['containers']

interface At {
  url: string
  /** The form with the slash, which the manual does not have. */
  hide: boolean
}

export function containerRoutes(app: DialectApp, kit: DialectKit): void {
  const reader = showing(kit)
  both(ROOT, (at) => listRoute(app, kit, at))
  both(`${ROOT}/:id`, (at) => {
    showRoute(app, reader, at)
    createRoute(app, kit, at)
    changeRoute(app, kit, at)
    deleteRoute(app, kit, at)
  })
  both(`${ROOT}/:id/state`, (at) => stateRoutes(app, kit, at))
}

function both(path: string, add: (at: At) => void): void {
  for (const [at, url] of bothSlashes(path).entries()) add({ url, hide: at === 1 })
}

function listRoute(app: DialectApp, { services }: DialectKit, { url, hide }: At): void {
  const schema = { summary: 'List the numbers of containers', operationId: 'listContainers', tags, hide }
  app.get(url, { schema: { ...schema, response: wire.answers(wire.Numbers) } }, async (request) =>
    wire.sync((await listNumbered(services, callerOf(request))).map(({ ctid }) => ctid)),
  )
}

type Shown = Awaited<ReturnType<ReturnType<typeof showing>>>

function showing(kit: DialectKit) {
  const figures = createFigures(kit)
  return async (request: FastifyRequest, id: string) => {
    const operation = await findOperation(kit, request, id)
    const caller = callerOf(request)
    if (operation !== undefined) return { body: wire.sync(await show(kit, caller, operation)), etag: undefined }
    const found = await findNumbered(kit.services, caller, id)
    const { uuid, rev } = found.view.record
    return { body: wire.sync(toContainer(found, await figures.of(caller, found))), etag: etagOf(uuid, rev) }
  }
}

function showRoute(
  app: DialectApp,
  read: (request: FastifyRequest, id: string) => Promise<Shown>,
  { url, hide }: At,
): void {
  const schema = { summary: 'Show a container, or an operation', operationId: 'getContainer', tags, hide }
  app.get(
    url,
    { schema: { ...schema, params: wire.ById, response: wire.answers(wire.Shown) } },
    async (request, reply) => {
      const { body, etag } = await read(request, request.params.id)
      if (etag !== undefined) reply.header('etag', `"${etag}"`)
      return body
    },
  )
}

function createRoute(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const schema = { summary: 'Create a container under this number', operationId: 'createContainer', tags, hide }
  const accepted = acceptance(kit)
  app.post(
    url,
    {
      schema: { ...schema, params: wire.ById, body: wire.Creation, response: wire.ACCEPTED },
      config: { repeated: accepted },
    },
    async (request, reply) => {
      const { params, body } = request
      return accepted(request, reply, await createContainer(kit, callerOf(request), params.id, body))
    },
  )
}

function changeRoute(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const schema = { summary: 'Set the config, or restore a snapshot', operationId: 'updateContainer', tags, hide }
  const accepted = acceptance(kit)
  app.put(
    url,
    {
      schema: { ...schema, params: wire.ById, body: wire.Change, response: wire.ACCEPTED },
      config: { repeated: accepted },
    },
    async (request, reply) => {
      const found = await findNumbered(kit.services, callerOf(request), request.params.id)
      return accepted(request, reply, await change(kit, request, found, request.body))
    },
  )
}

async function change(
  { services }: DialectKit,
  request: FastifyRequest,
  found: Numbered,
  { hostname, config, restore }: wire.Change,
): Promise<OperationRecord> {
  const { where, view } = found
  const caller = callerOf(request)
  const { record } = view
  if (isForeign(where)) throw foreignRefusal(where.name)
  checkIfMatch(request.headers['if-match'], etagOf(record.uuid, record.rev))
  if (restore) return services.snapshots.restore(caller, where, restore)
  if (hostname !== undefined && hostname !== found.hostname)
    throw badRequest(`The host name of a container stays: "${found.hostname}"`)
  const { devices, profiles, description, ephemeral } = record
  const next = config === undefined ? record.config : replaceConfig(record.config, config)
  return services.instances.update(
    caller,
    where,
    { config: next, devices, profiles, description, ephemeral },
    request.headers['if-match'],
  )
}

function deleteRoute(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const schema = { summary: 'Delete a container, or cancel an operation', operationId: 'deleteContainer', tags, hide }
  const { instances, operations } = kit.services
  const accepted = acceptance(kit)
  app.delete(
    url,
    {
      schema: { ...schema, params: wire.ById, response: { 200: wire.Nothing, ...wire.ACCEPTED } },
      config: { repeated: accepted },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      requireRole(caller, 'operator')
      const operation = await findOperation(kit, request, request.params.id)
      if (operation !== undefined) {
        await operations.cancel(caller, operation.id)
        return wire.sync({})
      }
      const { view, where } = await findNumbered(kit.services, caller, request.params.id)
      if (!isForeign(where)) checkState('delete', view)
      return accepted(request, reply, await instances.remove(caller, where))
    },
  )
}

function stateRoutes(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const { services } = kit
  const accepted = acceptance(kit)
  const common = { tags, params: wire.ById, hide }
  const read = { summary: 'Show whether a container runs', operationId: 'getState' }
  app.get(url, { schema: { ...common, ...read, response: wire.answers(wire.OneState) } }, async (request) => {
    const { view } = await findNumbered(services, callerOf(request), request.params.id)
    return wire.sync({ status: view.status.status, status_code: view.status.code })
  })
  const changed = { summary: 'Start, stop, restart, freeze or unfreeze a container', operationId: 'setState' }
  app.put(
    url,
    {
      schema: { ...common, ...changed, body: wire.Action, response: wire.ACCEPTED },
      config: { repeated: accepted },
    },
    async (request, reply) => {
      const { body } = request
      const caller = callerOf(request)
      requireRole(caller, 'operator')
      const action = parseStateAction(body.action)
      const { view, where } = await findNumbered(services, caller, request.params.id)
      if (action === 'start' || action === 'stop' || !isForeign(where)) checkState(action, view)
      return accepted(request, reply, await services.instances.changeState(caller, where, body))
    },
  )
}
