/** LXD's answers: every JSON body under `/1.0` is made here or in errors.ts. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '../contract/operation.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { KeptAnswer } from '../core/ports.ts'
import { isFinal } from '../core/operation-states.ts'
import { toOperation } from '../operations/render.ts'
import type { Caller } from '../services/caller.ts'
import type { Operations } from '../services/operations.ts'
import { callerOf } from './caller.ts'
import { clientGone } from './client-gone.ts'
import { preferredWait } from './prefer.ts'

/** The envelope of what is complete. */
export function sync<M>(metadata: M) {
  return {
    type: 'sync',
    status: 'Success',
    status_code: 200,
    operation: '',
    error_code: 0,
    error: '',
    metadata,
  } as const
}

/** An answer known before the work is done, so that the work can store it for a repeat of the request. */
export interface Answer<M> {
  status: 200 | 201
  location: string
  body: ReturnType<typeof sync<M>>
}

/** What LXD says to a change that has nothing to tell. */
export const DONE: Answer<Record<string, never>> = { status: 200, location: '', body: sync({}) }

/** What LXD says when something new is to be found under `location`. */
export function created(location: string): Answer<null> {
  return { status: 201, location, body: sync(null) }
}

/** The caller of a change without an operation, with the answer a repeat of the request is to get. */
export function keeping<M>(request: FastifyRequest, { status, location, body }: Answer<M>): Caller {
  const caller = callerOf(request)
  const answer: KeptAnswer = { status, location, body: JSON.stringify(body) }
  return caller.idempotency === undefined ? caller : { ...caller, answer }
}

/** Sends what `keeping` has stored. */
export function give<M>(reply: FastifyReply, { status, location, body }: Answer<M>): Answer<M>['body'] {
  if (location !== '') reply.header('location', location)
  reply.code(status)
  return body
}

/** Sends one object with its entity tag. */
export function tagged<M>(reply: FastifyReply, etag: string | undefined, metadata: M) {
  if (etag !== undefined) reply.header('etag', `"${etag}"`)
  return sync(metadata)
}

export function operationUrl(id: string): string {
  return `/1.0/operations/${id}`
}

interface Accepted {
  type: 'async'
  status: 'Operation created'
  status_code: 100
  operation: string
  error_code: 0
  error: ''
  metadata: Operation
}

/**
 * Answers work that was accepted: 202 with everything that is needed to follow it. With `Prefer: wait=N` it waits
 * that long first, and an operation that has ended meanwhile is a 200.
 */
export async function accepted(
  request: FastifyRequest,
  reply: FastifyReply,
  operations: Pick<Operations, 'wait'>,
  operation: OperationRecord,
) {
  const caller = callerOf(request)
  const seconds = preferredWait(request)
  const now = seconds === undefined ? operation : await waited(request, reply, operations, { operation, seconds })
  reply.header('location', operationUrl(now.id)).header('link', `</jobs/${now.id}>; rel="monitor"`)
  if (request.eventCursor !== '') reply.header('windlass-event-cursor', request.eventCursor)
  const metadata = toOperation(now, caller.requestor)
  if (isFinal(now.state) && seconds !== undefined) {
    reply.code(200)
    return sync(metadata)
  }
  reply.code(202).header('retry-after', '1')
  return toAccepted(metadata)
}

/** Seconds that `acceptedSoon` waits at most. */
const SOON = 2

/**
 * The same for work that LXD has done before anybody can look: the 202 waits for it, though not for long. Clients such
 * as pylxd look without waiting for the operation.
 */
export async function acceptedSoon(
  request: FastifyRequest,
  reply: FastifyReply,
  operations: Pick<Operations, 'wait'>,
  operation: OperationRecord,
) {
  if (preferredWait(request) === undefined) {
    const wait = operations.wait(callerOf(request), operation.id, SOON, clientGone(reply))
    // It is accepted: that it cannot be read at the moment changes nothing about it.
    await wait.catch(() => undefined)
  }
  return accepted(request, reply, operations, operation)
}

async function waited(
  request: FastifyRequest,
  reply: FastifyReply,
  operations: Pick<Operations, 'wait'>,
  { operation, seconds }: { operation: OperationRecord; seconds: number },
): Promise<OperationRecord> {
  reply.header('preference-applied', `wait=${seconds}`)
  return operations.wait(callerOf(request), operation.id, seconds, clientGone(reply))
}

function toAccepted(metadata: Operation): Accepted {
  return {
    type: 'async',
    status: 'Operation created',
    status_code: 100,
    operation: operationUrl(metadata.id),
    error_code: 0,
    error: '',
    metadata,
  }
}
