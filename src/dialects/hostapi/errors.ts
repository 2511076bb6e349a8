/** Failures in this dialect's shape: `{"error": TEXT or null}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure, isFailure, preconditionFailed, type FailureCode } from '../../core/failure.ts'
import type { Refused } from './wire.ts'

export const NO_CONTAINER = 'Container not found'
export const NO_IMAGE = 'Container image not found'
export const NO_SNAPSHOT = 'Container snapshot not found'
export const BAD_CONTAINER = 'Invalid container specification'
export const BAD_IMAGE = 'Invalid image specification'
export const BAD_SNAPSHOT = 'Invalid snapshot specification'
export const NO_COMMAND = 'Command missing'
const ILLEGAL_STATE = 'Container in illegal state for requested action'
const BACKEND = 'Unexpected backend error'

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

export function answer(failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(statusOf(failure, request)).type('application/json').send(toRefused(failure, request))
}

/** What is wrong in a JSON object is 422. */
function statusOf({ code }: Failure, { body }: FastifyRequest): number {
  return code === 'bad-request' && isObject(body) ? STATUS.unprocessable : STATUS[code]
}

function toRefused({ code, message, cause }: Failure, { body, routeOptions }: FastifyRequest): Refused {
  // The original has no words for a body that is no JSON object.
  if (code === 'bad-request' && routeOptions.schema?.body !== undefined && !isObject(body)) return { error: null }
  if (code === 'internal') return { error: BACKEND, detail: message }
  return cause instanceof Failure ? { error: message, detail: cause.message } : { error: message }
}

export function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === 'object' && body !== null && !Array.isArray(body)
}

/** What cannot be done with a container as it is now; `why` in more words. */
export function illegalState(why?: Failure): Failure {
  return preconditionFailed(ILLEGAL_STATE, { cause: why })
}

/** The services say bad-request where this dialect has a failure of its own. */
export async function refusedAs<T>(work: Promise<T>, own: (why: Failure) => Failure): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw isFailure(thrown, 'bad-request') ? own(thrown) : thrown
  }
}
