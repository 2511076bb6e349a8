/** The routes of containers and jobs. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../contract/common.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { effectiveDevices } from '../../core/expand.ts'
import { notFound } from '../../core/failure.ts'
import { foreignRefusal, isForeign } from '../../core/foreign.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import { bothSlashes, byOperation, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { createNamed } from '../naming.ts'
import { decodeCreation, decodeParameters } from './decode.ts'
import { missingAs, taken } from './errors.ts'
import { type Link, notAppliedOf, TEMPLATE, toPatch } from './parameters.ts'
import { toContainer, toJob } from './translate.ts'
import * as wire from './wire.ts'

const DIALECT = 'vzapi'
const ROOT = '/v0.1/containers'
/** So many at most in a list. */
const MOST = 1000

const containers = ['containers']

export function containerRoutes(app: DialectApp, kit: DialectKit): void {
  for (const [at, url] of bothSlashes(ROOT).entries()) collectionRoutes(app, kit, { url, hide: at === 0 })
  for (const [at, url] of bothSlashes(`${ROOT}/:id`).entries()) {
    readRoute(app, kit, { url, hide: at === 1 })
    changeRoutes(app, kit, { url, hide: at === 1 })
  }
}

interface At {
  url: string
  /** The form with or without the slash that the manual does not have. */
  hide: boolean
}

function collectionRoutes(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const { directory, imageNames } = kit.services
  const listed = { summary: 'List containers', operationId: 'listContainers', tags: containers, hide }
  app.get(url, { schema: { ...listed, response: wire.answers(200, wire.AllContainers) } }, async (request) => {
    const all = await directory.list(callerOf(request), DIALECT)
    return { message: 'success' as const, containers: all.slice(0, MOST).map(toContainer) }
  })
  const creation = {
    summary: 'Queue the creation of a container',
    operationId: 'createContainer',
    tags: containers,
    hide,
  }
  app.post(
    url,
    {
      schema: { ...creation, body: wire.Creation, response: wire.answers(202, wire.Queued) },
      attachValidation: true,
      config: { repeated: queued },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { name, ostemplate } = decodeCreation(request.body)
      const body = async () => ({
        source: await imageNames.byName(caller, ostemplate),
        config: { [TEMPLATE]: ostemplate },
      })
      const operation = await createNamed(kit, caller, { dialect: DIALECT, name }, { body, taken })
      return queued(request, reply, operation)
    },
  )
}

async function queued(_request: FastifyRequest, reply: FastifyReply, { id }: OperationRecord): Promise<wire.Queued> {
  reply.code(202)
  return { message: 'success', job_id: id }
}

function readRoute(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const shown = { summary: 'Show a container', operationId: 'getContainer', tags: containers, params: wire.ById, hide }
  app.get(url, { schema: { ...shown, response: wire.answers(200, wire.OneContainer) } }, async (request) => ({
    message: 'success' as const,
    container: toContainer(await find(kit, request)),
  }))
}

function changeRoutes(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const common = { tags: containers, params: wire.ById, hide }
  const update = { summary: 'Set parameters of a container', operationId: 'updateContainer', body: wire.Update }
  app.patch(url, {
    schema: { ...common, ...update, response: wire.answers(200, wire.Updated) },
    attachValidation: true,
    ...byOperation(kit, (request) => change(kit, request), changed),
  })
  const deletion = { summary: 'Delete a container; one that runs is killed', operationId: 'deleteContainer' }
  app.delete(url, {
    schema: { ...common, ...deletion, response: wire.answers(200, wire.Done) },
    ...byOperation(
      kit,
      async (request) =>
        kit.services.instances.remove(callerOf(request), (await find(kit, request)).where, { force: true }),
      async (): Promise<wire.Done> => ({ message: 'success' }),
    ),
  })
}

function find({ services }: DialectKit, request: FastifyRequest): Promise<Listed> {
  const { id = '' }: { id?: string } = Object(request.params)
  return missingAs('container', services.directory.find(callerOf(request), DIALECT, id))
}

async function change(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const parameters = decodeParameters(request.body)
  const { view, where } = await find(kit, request)
  const caller = callerOf(request)
  if (isForeign(where)) throw foreignRefusal(where.name)
  return kit.services.instances.patchDeferred(caller, where, toPatch(parameters, await linkOf(kit, caller, view)))
}

async function linkOf(
  { services }: DialectKit,
  caller: Caller,
  { devices }: Listed['view'],
): Promise<Link | undefined> {
  const found = Object.entries(effectiveDevices(devices)).find(([, { type }]) => type === 'nic')
  if (found === undefined) return undefined
  const [device, properties] = found
  const { record } = await services.networks.get(caller, properties['network'] || properties['parent'] || '')
  return { device, properties, subnet: record.subnet }
}

/** What has no effect was kept with the change. */
async function changed(_request: FastifyRequest, _reply: FastifyReply, { input }: OperationRecord) {
  const { next }: { next?: { config: Config } } = Object(input)
  return { message: 'success' as const, code: 0 as const, not_applied: notAppliedOf(next?.config ?? {}) }
}

export function jobRoutes(app: DialectApp, { services }: DialectKit): void {
  for (const [at, url] of bothSlashes('/v0.1/jobs/:id').entries())
    app.get(
      url,
      {
        schema: {
          summary: 'Show how far a job is',
          operationId: 'getJob',
          tags: ['jobs'],
          params: wire.ById,
          response: wire.answers(200, wire.Job),
          hide: at === 1,
        },
      },
      async (request) => {
        const { id } = request.params
        if (!/^[0-9a-f-]{36}$/.test(id)) throw notFound('no such job')
        return toJob(await missingAs('job', services.operations.get(callerOf(request), id)))
      },
    )
}
