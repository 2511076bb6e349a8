/** Containers: two shapes of their list, their life, their figures. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hexIdOf } from '../../core/identity.ts'
import { badRequest, conflict, preconditionFailed } from '../../core/failure.ts'
import { etagOf } from '../../core/etag.ts'
import type { InstanceStatePut } from '../../contract/instance.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import type { Listed } from '../../services/directory.ts'
import type { RunState } from '../../services/run-states.ts'
import { bothSlashes, byOperation, callerOf, settle, type DialectApp, type DialectKit } from '../dialect.ts'
import { createNamed } from '../naming.ts'
import { addRoute, containerOf, containersOf, NAME, noSuchContainer } from './paths.ts'
import { cpuLimit, isRunning, limitsOf, parseName, toEntry, toFullEntry, toInstance, toStats } from './translate.ts'
import * as wire from './wire.ts'

const LIST = '/v1/container'
/** Seconds a container has to stop by itself. */
const GRACE = 10

export function containerRoutes(app: DialectApp, kit: DialectKit): void {
  lists(app, kit)
  stats(app, kit)
  creation(app, kit)
  update(app, kit)
  deletion(app, kit)
  changes(app, kit)
}

function lists(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'GET',
    paths: [`${LIST}/`],
    words: ['listContainers', 'Containers by id', 'containers'],
    query: wire.ListQuery,
    answers: { 200: wire.FlatList },
    handler: async (request) => {
      const { id, running } = request.query as wire.ListQuery // checked by the route's schema
      const chosen = await choose(kit, request, id, wire.first(running) === 'true' ? true : undefined)
      return Object.fromEntries(
        chosen.map(({ key, listed, run }) => {
          if (listed === undefined) throw noSuchContainer(key)
          return [key, toEntry(listed, run)]
        }),
      )
    },
  })
  addRoute(app, {
    method: 'GET',
    paths: [LIST],
    words: ['listContainersWithErrors', 'Containers by id, and what was not found (later revisions)', 'containers'],
    query: wire.ListQuery,
    answers: { 200: wire.Envelope },
    handler: async (request) => {
      const { id, running } = request.query as wire.ListQuery // checked by the route's schema
      const wanted = wire.first(running)
      const chosen = await choose(kit, request, id, wanted === undefined ? undefined : wanted === 'true')
      const found = chosen.flatMap(({ key, listed, run }) =>
        listed === undefined ? [] : [[key, toFullEntry(listed, run)] as const],
      )
      const missing = chosen.filter(({ listed }) => listed === undefined)
      return {
        success: Object.fromEntries(found),
        error: Object.fromEntries(missing.map(({ key }) => [key, noSuchContainer(key).message])),
      }
    },
  })
}

interface Chosen {
  /** As the client wrote it. */
  key: string
  listed: Listed | undefined
  run: RunState
}

const NOT_THERE: RunState = { status: 'dead', startedAt: 0, exitCode: 0 }

/** Those with the ids, else all that run (`true`), all that do not (`false`), or all. */
async function choose(
  kit: DialectKit,
  request: FastifyRequest,
  id: string | string[] | undefined,
  running: boolean | undefined,
): Promise<Chosen[]> {
  const { directory, runStates } = kit.services
  const pairs =
    id === undefined
      ? (await directory.list(callerOf(request), NAME)).map((listed) => [listed.hex, listed] as const)
      : await containersOf(kit, request, [id].flat())
  const states = await runStates.of(pairs.flatMap(([, listed]) => (listed === undefined ? [] : [listed.view.record])))
  const chosen = pairs.map(([key, listed]) => {
    const run = listed && states.get(listed.view.record.container)
    return { key, listed, run: run ?? NOT_THERE }
  })
  return id !== undefined || running === undefined ? chosen : chosen.filter(({ run }) => isRunning(run) === running)
}

function stats(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'GET',
    paths: bothSlashes(`${LIST}/stats`),
    words: ['readStats', 'What a container used, every ten seconds of the last five hours', 'containers'],
    query: wire.StatsQuery,
    answers: { 200: wire.Stats },
    handler: async (request) => {
      const { id, since } = request.query as wire.StatsQuery // checked by the route's schema
      const reference = wire.first(id)
      if (reference === undefined || reference === '') throw badRequest('missing id')
      const from = parseSince(wire.first(since))
      const listed = await kit.services.directory.look(callerOf(request), NAME, reference)
      if (listed === undefined) return {}
      return toStats(await kit.services.statsHistory.of(listed.view.record), from, cpuLimit(listed))
    },
  })
}

function parseSince(since: string | undefined): number {
  if (since === undefined) throw badRequest('missing since')
  if (!/^-?[0-9]{1,15}$/.test(since)) throw badRequest('since must be a Unix timestamp in seconds')
  return Number(since)
}

function creation(app: DialectApp, kit: DialectKit): void {
  const { services, settings } = kit
  addRoute(app, {
    method: 'PUT',
    paths: bothSlashes(LIST),
    words: ['createContainer', 'Make a container (later revisions)', 'containers'],
    body: wire.CreateBody,
    answers: { 200: wire.Created },
    ...byOperation(
      kit,
      async (request) => {
        const body = request.body as wire.CreateBody // checked by the route's schema
        const name = parseName(body.name)
        const { image, portArea } = settings.hebergos
        const draft = toInstance(body, name, portArea)
        const caller = callerOf(request)
        return createNamed(
          kit,
          caller,
          { dialect: NAME, name },
          {
            body: async () => ({ ...draft, source: await services.imageNames.byName(caller, body.image ?? image) }),
            taken: () => conflict(`Conflict. The container name "/${name}" is already in use`),
          },
        )
      },
      async (_request, _reply, { entity }) => ({ Id: hexIdOf(entity.id), Warnings: [] }),
    ),
  })
}

function deletion(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'DELETE',
    paths: bothSlashes(LIST),
    words: ['deleteContainer', 'Delete a stopped container (later revisions)', 'containers'],
    query: wire.DeleteQuery,
    answers: { 204: wire.nothing('It is gone.') },
    ...byOperation(kit, (request) => beginDelete(kit, request), done),
  })
}

function update(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'PATCH',
    paths: bothSlashes(LIST),
    words: ['updateContainer', "Change a container's limits (later revisions)", 'containers'],
    query: wire.IdQuery,
    body: wire.PatchBody,
    answers: { 200: wire.Patched },
    ...byOperation(
      kit,
      (request) => beginUpdate(kit, request),
      async () => ({ Warnings: null }),
    ),
  })
}

async function beginDelete(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const { id, deletevolume } = request.query as wire.DeleteQuery // checked by the route's schema
  const { listed, run } = await containerOf(kit, request, wire.first(id))
  if (isRunning(run)) throw preconditionFailed('docker needs to be stopped before deleting it')
  if ((wire.first(deletevolume) ?? 'true') !== 'true' && listed.view.record.volumes.length > 0)
    throw preconditionFailed('the volumes of this container go with it; they cannot be kept')
  return kit.services.instances.remove(callerOf(request), listed.where)
}

async function beginUpdate(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const { id } = request.query as wire.IdQuery // checked by the route's schema
  const limits = limitsOf(request.body as wire.PatchBody) // checked by the route's schema
  const { listed } = await containerOf(kit, request, wire.first(id))
  const { uuid, rev, config, devices, profiles, description, ephemeral } = listed.view.record
  const next = { config: { ...config, ...limits }, devices, profiles, description, ephemeral }
  return kit.services.instances.update(callerOf(request), listed.where, next, etagOf(uuid, rev))
}

/** What is to be done; undefined: nothing is; a text: what is wrong. */
type Plan = { body: InstanceStatePut; kill: boolean } | string | undefined

/** Start, stop and restart. */
function changes(app: DialectApp, kit: DialectKit): void {
  const actions = {
    start: {
      words: ['startContainer', 'Start a container', 'containers'],
      plan: (run: RunState): Plan => {
        if (run.status === 'paused') return 'cannot start a paused container'
        return isRunning(run) ? undefined : { body: { action: 'start' }, kill: false }
      },
    },
    stop: {
      words: ['stopContainer', 'Stop a container, after ten seconds by force', 'containers'],
      plan: (run: RunState): Plan =>
        isRunning(run) ? { body: { action: 'stop', timeout: GRACE }, kill: true } : undefined,
    },
    restart: {
      words: ['restartContainer', 'Restart a container (later revisions)', 'containers'],
      plan: (run: RunState): Plan =>
        isRunning(run) ? { body: { action: 'restart', timeout: GRACE }, kill: true } : 'Not running',
    },
  } as const
  for (const [action, { words, plan }] of Object.entries(actions))
    addRoute(app, {
      method: 'POST',
      paths: bothSlashes(`${LIST}/${action}`),
      words,
      query: wire.IdQuery,
      answers: { 204: wire.nothing('It is so, also where it was before.'), 406: wire.text('Not from this state.') },
      config: { repeated: done },
      handler: async (request, reply) => {
        const { id } = request.query as wire.IdQuery // checked by the route's schema
        const { listed, run } = await containerOf(kit, request, wire.first(id))
        const planned = plan(run)
        if (planned === undefined) return done(request, reply)
        if (typeof planned === 'string') return reply.code(406).type('text/plain; charset=utf-8').send(planned)
        const { body, kill } = planned
        await settle(kit, await kit.services.instances.changeState(callerOf(request), listed.where, body, { kill }))
        return done(request, reply)
      },
    })
}

async function done(_request: FastifyRequest, reply: FastifyReply): Promise<undefined> {
  reply.code(204)
  return undefined
}
