/** Failures in this dialect's shape: `{"code": 100 or 200, "message": TEXT}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Failure, type FailureCode, isFailure, notFound, unprocessable } from '../../core/failure.ts'
import type { Refused } from './wire.ts'

const STATUS: Record<FailureCode, number> = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
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

const INVALID_REQUEST = 100
const FAILED_REQUEST = 200

export function answer(failure: Failure, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = STATUS[failure.code]
  const body: Refused = { code: status < 500 ? INVALID_REQUEST : FAILED_REQUEST, message: failure.message }
  return reply.code(status).type('application/json').send(body)
}

export function taken(): Failure {
  return unprocessable('A container with given name already exists')
}

/** What is not there, in the original's words. */
export async function missingAs<T>(noun: 'container' | 'job', found: Promise<T>): Promise<T> {
  try {
    return await found
  } catch (thrown) {
    throw isFailure(thrown, 'not-found', 'gone') ? notFound(`no such ${noun}`) : thrown
  }
}
