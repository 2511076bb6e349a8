/** Failures in this dialect's shape: the word is always `failure`, the reason stands in `metadata`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { conflict, type Failure, type FailureCode, isFailure, notFound } from '../../core/failure.ts'
import { refusalOf, type InstanceAction } from '../../core/instance-status.ts'
import type { InstanceView } from '../../services/instance-views.ts'
import type { Refused } from './wire.ts'

/** The manual's set; 405 for a known path with another method, 503 and 504 for what is away or takes too long. */
const STATUS: Record<FailureCode, number> = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'precondition-failed': 412,
  unprocessable: 409,
  gone: 404,
  'too-large': 400,
  unsupported: 400,
  'not-implemented': 400,
  'method-not-allowed': 405,
  'too-many': 503,
  unavailable: 503,
  timeout: 504,
  cancelled: 409,
  internal: 500,
}

export function answer(failure: Failure, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { code, message, operation } = failure
  const status = STATUS[code]
  const body: Refused = {
    type: 'error',
    error: 'failure',
    error_code: status,
    metadata: { message, ...(operation !== undefined && { operation }) },
  }
  return reply.code(status).type('application/json').send(body)
}

/** Throws conflict where the action does not go with the container's state. */
export function checkState(action: InstanceAction, { status }: InstanceView): void {
  const refusal = refusalOf(action, status.status)
  if (refusal !== undefined) throw conflict(refusal.message)
}

/** undefined for what is not there, or not any more. */
export async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (thrown) {
    if (isFailure(thrown, 'not-found', 'gone')) return undefined
    throw thrown
  }
}

export function missing(): Failure {
  return notFound('No such container or operation')
}
