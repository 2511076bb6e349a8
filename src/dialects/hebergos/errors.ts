import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Failure, FailureCode } from '../../core/failure.ts'

/** Statuses of HebergOS docker link, later revisions: what is not there or not in the right state is 412. */
const STATUS: Record<FailureCode, number> = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 412,
  conflict: 409,
  'precondition-failed': 412,
  unprocessable: 422,
  gone: 410,
  'too-large': 413,
  unsupported: 415,
  'not-implemented': 501,
  'method-not-allowed': 405,
  'too-many': 429,
  unavailable: 503,
  timeout: 504,
  cancelled: 409,
  internal: 500,
}

const TEXT = 'text/plain; charset=utf-8'

/** A sentence as plain text; a wrong method has none, an unknown path the words of Go's server. */
export function answer(failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (failure.code === 'method-not-allowed') return reply.code(405).send()
  if (request.is404 && failure.code === 'not-found') return reply.code(404).type(TEXT).send('404 page not found\n')
  return reply.code(STATUS[failure.code]).type(TEXT).send(failure.message)
}
