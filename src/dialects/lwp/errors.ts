/** Failures in this dialect's shape: `{"error": TEXT, "status": "error"}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badRequest, conflict, type Failure, type FailureCode, isFailure, notFound } from '../../core/failure.ts'
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

/** Spelled as the original has it. */
const NO_CONTAINER = "Container doesn' t exists"
const BAD_REQUEST = 'Bad request'

export function answer(failure: Failure, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code } = failure
  const error = code === 'unauthorized' ? 'Unauthorized' : failure.message
  return reply.code(STATUS[code]).type('application/json').send(refused(error))
}

function refused(error: string): Refused {
  return { error, status: 'error' }
}

/** The original's answer to a creation without what it needs: a status of its own. */
export function answerMissing(reply: FastifyReply): FastifyReply {
  return reply.code(402).send(refused(BAD_REQUEST))
}

export function misspelled(): Failure {
  return badRequest(BAD_REQUEST)
}

export function taken(): Failure {
  return conflict('Container yet exists')
}

/** A container that is not there has another status with each method. */
export async function missingAs<T>(code: 'bad-request' | 'not-found' | 'conflict', found: Promise<T>): Promise<T> {
  try {
    return await found
  } catch (thrown) {
    if (!isFailure(thrown, 'not-found')) throw thrown
    throw MISSING[code](NO_CONTAINER)
  }
}

const MISSING = { 'bad-request': badRequest, 'not-found': notFound, conflict }

/** An action that does not go with the container's state. */
export async function stateAs<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw isFailure(thrown, 'bad-request') ? conflict(thrown.message) : thrown
  }
}
