/** How routes are registered here: with and without a slash at the end, the bare form in the document. */
import type { FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { Type } from 'typebox'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { badRequest, unprocessable } from '../../core/failure.ts'
import { bothSlashes, type DialectApp } from '../dialect.ts'
import { isObject } from './errors.ts'
import { Refused } from './wire.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

export interface Route {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  /** Of the document: operationId, summary, tag. */
  words: readonly [operationId: string, summary: string, tag: 'containers' | 'snapshots' | 'images' | 'server']
  body?: TSchema
  /** Status → schema of the answer. */
  answers: Record<number, TSchema>
  handler: Handler
  config?: {
    open?: boolean
    repeated?: (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) => Promise<unknown>
  }
}

const PARAMS = {
  ct: Type.String({ description: 'pk of a container, the beginning of it, or a name; or base64 of it.' }),
  sh: Type.String({ description: 'pk of a snapshot, the beginning of it, or a name; or base64 of it.' }),
  img: Type.String({ description: 'pk of an image, the beginning of it, or a name; or base64 of it.' }),
}

/** Both forms of a route. What a body must be is checked by `bodyAs`, which knows this dialect's statuses. */
export function addRoute(app: DialectApp, { method, path, words, body, answers, handler, config = {} }: Route): void {
  const [operationId, summary, tag] = words
  const params = Object.fromEntries(Object.entries(PARAMS).filter(([name]) => path.split('/').includes(`:${name}`)))
  // Typed as one that says nothing: answers are typed where they are made.
  const schema: FastifySchema = {
    operationId,
    summary,
    tags: [tag],
    ...(path.includes(':') && { params: Type.Object(params) }),
    ...(body !== undefined && { body }),
    response: { ...answers, '4xx': Refused, '5xx': Refused },
    ...(config.open === true && { security: [{}, { token: [] }, { password: [] }] }),
  }
  for (const [at, url] of bothSlashes(path).entries())
    app.route({
      method,
      url,
      schema: at === 0 ? schema : { ...schema, hide: true },
      attachValidation: true,
      exposeHeadRoute: method === 'GET',
      config,
      handler,
    })
}

/** The body, which must be a JSON object (bad-request) that fits the schema (unprocessable, `fault`). */
export function bodyAs<S extends TSchema>(schema: S, { body }: FastifyRequest, fault: string): Static<S> {
  if (!isObject(body)) throw badRequest('The body must be a JSON object')
  if (!Value.Check(schema, body)) throw unprocessable(fault)
  return body
}

/** What is done and has nothing to tell. */
export async function noContent(_request: FastifyRequest, reply: FastifyReply): Promise<undefined> {
  reply.code(204)
  return undefined
}

/** A JSON text by itself: the framework would send it as plain text. */
export function jsonText(reply: FastifyReply, text: string): string {
  reply.type('application/json')
  return JSON.stringify(text)
}
