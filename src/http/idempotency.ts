/** `Idempotency-Key`: the same request again gets the same answer and does nothing. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badRequest, conflict, Failure, FAILURE_CODES, unprocessable, type FailureCode } from '../core/failure.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { IdempotencyKey, RecordStore } from '../core/ports.ts'
import type { Operations } from '../services/operations.ts'
import { accepted, created, DONE, give, operationUrl } from './answers.ts'
import type { App } from './app-types.ts'
import { callerOf } from './caller.ts'

interface IdempotencyDeps {
  records: Pick<RecordStore, 'idempotent'>
  operations: Pick<Operations, 'get' | 'wait'>
}

/** How long the answer of a route without an operation is kept, milliseconds; operations keep their key as long as they live. */
const KEPT = 24 * 60 * 60 * 1000
/** Longest wait for an operation that a route hides, seconds. */
const PATIENCE = 60
const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
/** What stands for the body where it is a stream. */
const CONTENT_HEADERS = /^(content-|x-lxd-)/

/** Registers the hook: it comes after the body was read and before anything is done. */
export function honourIdempotencyKeys(app: App, deps: IdempotencyDeps): void {
  app.addHook('preHandler', async (request, reply) => {
    const header = [request.headers['idempotency-key'] ?? []].flat().join(',')
    if (header === '' || !MUTATING.has(request.method)) return undefined
    if (header.length > 255) throw badRequest('Idempotency-Key is longer than 255 characters')
    const idempotency = toKey(request, header)
    const earlier = await deps.records.idempotent(idempotency.key)
    if (earlier === undefined) {
      request.visitor = { ...callerOf(request), idempotency }
      return undefined
    }
    if (earlier.fingerprint !== idempotency.fingerprint)
      throw unprocessable('This Idempotency-Key was used for another request')
    return repeat(request, reply, deps, earlier)
  })
}

type Earlier = NonNullable<Awaited<ReturnType<RecordStore['idempotent']>>>

async function repeat(request: FastifyRequest, reply: FastifyReply, deps: IdempotencyDeps, earlier: Earlier) {
  const { answer } = earlier
  if (answer === undefined) return repeatOperation(request, reply, deps, earlier.operation)
  if (answer.location !== '') reply.header('location', answer.location)
  const { status, body } = answer
  return reply
    .code(status)
    .type('application/json')
    .serializer((text: string) => text)
    .send(body)
}

/** The operation the first request led to: shown where the route shows operations, waited for where it hides them. */
async function repeatOperation(
  request: FastifyRequest,
  reply: FastifyReply,
  { operations }: IdempotencyDeps,
  id: string,
) {
  const caller = callerOf(request)
  const operation = await operations.get(caller, id)
  const { repeated } = request.routeOptions.config
  if ('202' in Object(request.routeOptions.schema?.response))
    return reply.send(await (repeated ?? shown(operations))(request, reply, operation))
  const ended = await operations.wait(caller, id, PATIENCE)
  if (ended.state === 'success' && repeated !== undefined) return reply.send(await repeated(request, reply, ended))
  if (ended.state === 'success')
    return reply.send(give(reply, request.method === 'POST' ? created(ended.entity.url) : DONE))
  if (ended.code !== '') throw new Failure(toCode(ended.code), ended.err)
  throw conflict('The first request with this Idempotency-Key still runs', {
    retryAfter: 1,
    operation: operationUrl(id),
  })
}

const shown =
  (operations: IdempotencyDeps['operations']) =>
  (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) =>
    accepted(request, reply, operations, operation)

function toCode(code: string): FailureCode {
  return FAILURE_CODES.find((known) => known === code) ?? 'internal'
}

function toKey(request: FastifyRequest, key: string): IdempotencyKey {
  const { requestor } = callerOf(request)
  const { project }: { project?: unknown } = Object(request.query)
  const scope = [
    requestor.protocol,
    requestor.username,
    typeof project === 'string' && project !== '' ? project : 'default',
  ]
  const said = [request.method, request.url, request.bodyHash ?? contentHeaders(request)]
  return { key: digest([...scope, key]), fingerprint: digest(said), ttl: KEPT }
}

function contentHeaders({ headers }: FastifyRequest): string {
  const relevant = Object.entries(headers).filter(([name]) => CONTENT_HEADERS.test(name))
  return JSON.stringify(relevant.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function digest(parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
