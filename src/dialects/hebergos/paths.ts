/** How routes are registered here, and what most of them begin with: the container that `id` means. */
import type { FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { TSchema } from 'typebox'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { badRequest, notFound } from '../../core/failure.ts'
import { findIn, type Listed } from '../../services/directory.ts'
import type { RunState } from '../../services/run-states.ts'
import { callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { text } from './wire.ts'

export const NAME = 'hebergos'

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** The first one is in the document. */
  paths: readonly string[]
  words: readonly [operationId: string, summary: string, tag: 'containers' | 'git' | 'server']
  query?: TSchema
  body?: TSchema
  /** Status → schema of the answer. */
  answers: Record<number, object>
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
  config?: {
    repeated?: (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) => Promise<unknown>
  }
}

const REFUSED = text('Refused; the text says why.')

export function addRoute(
  app: DialectApp,
  { method, paths, words, query, body, answers, handler, config = {} }: Route,
): void {
  const [operationId, summary, tag] = words
  const schema: FastifySchema = {
    operationId,
    summary,
    tags: [tag],
    ...(query !== undefined && { querystring: query }),
    ...(body !== undefined && { body }),
    response: { ...answers, '4xx': REFUSED, '5xx': REFUSED },
  }
  for (const [at, url] of paths.entries())
    app.route({
      method,
      url,
      schema: at === 0 ? schema : { ...schema, hide: true },
      config,
      handler,
    })
}

/** From so many references on a list of all costs less than looking for each. */
const MANY = 8

/** The containers behind references; undefined where there is none. */
export async function containersOf(
  { services }: DialectKit,
  request: FastifyRequest,
  references: readonly string[],
): Promise<[reference: string, found: Listed | undefined][]> {
  const { directory } = services
  const caller = callerOf(request)
  const all = references.length < MANY ? undefined : await directory.list(caller, NAME)
  return Promise.all(
    references.map(async (reference): Promise<[string, Listed | undefined]> => [
      reference,
      all === undefined ? await directory.look(caller, NAME, reference) : findIn(all, reference),
    ]),
  )
}

/** The container behind one reference, and the state of it. */
export async function containerOf(
  kit: DialectKit,
  request: FastifyRequest,
  reference: string | undefined,
): Promise<{ listed: Listed; run: RunState }> {
  if (reference === undefined || reference === '') throw badRequest('missing id')
  const listed = await kit.services.directory.look(callerOf(request), NAME, reference)
  if (listed === undefined) throw noSuchContainer(reference)
  const run = await stateOf(kit, listed)
  return { listed, run }
}

export async function stateOf({ services }: DialectKit, { view }: Listed): Promise<RunState> {
  const states = await services.runStates.of([view.record])
  return states.get(view.record.container) ?? { status: 'dead', startedAt: 0, exitCode: 0 }
}

export function noSuchContainer(reference: string): Error {
  return notFound(`Error: No such container: ${reference}`)
}
