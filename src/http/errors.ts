/** Everything that goes wrong leaves the native API here: one status per failure code, always LXD's envelope. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import type { ErrorAnswer } from '../contract/envelope.ts'
import {
  badRequest,
  Failure,
  toFailure,
  tooLarge,
  unavailable,
  unsupported,
  type FailureCode,
} from '../core/failure.ts'
import { nodeHttp } from '../node-http.ts'

/** HTTP statuses of the native API. LXD has no 401: who is not known is not authorized. */
const STATUS: Record<FailureCode, number> = {
  'bad-request': 400,
  unauthorized: 403,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'precondition-failed': 412,
  unprocessable: 422,
  gone: 410,
  'too-large': 413,
  unsupported: 415,
  'not-implemented': 501,
  // LXD's answer to a known path with another method.
  'method-not-allowed': 501,
  'too-many': 429,
  unavailable: 503,
  timeout: 504,
  cancelled: 409,
  internal: 500,
}

/** LXD's error envelope. */
export function toErrorAnswer(status: number, failure: Pick<Failure, 'message' | 'operation'>): ErrorAnswer {
  return {
    type: 'error',
    status: '',
    status_code: 0,
    operation: failure.operation ?? '',
    error_code: status,
    error: failure.message,
    metadata: null,
  }
}

/** The error handler of the native scope, and of what the framework itself refuses. */
export function answerFailure(
  thrown: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const failure = fromFramework(thrown)
  const status = STATUS[failure.code]
  if (status === 500)
    request.log.error(
      { err: failure.cause ?? failure, method: request.method, route: request.routeOptions.url },
      'Request failed',
    )
  const retryAfter = failure.retryAfter ?? (status === 503 ? 1 : undefined)
  if (retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(retryAfter)))
  return reply.code(status).type('application/json').send(toErrorAnswer(status, failure))
}

/** What Fastify refused by itself has a status of its own; everything else is a Failure or becomes an internal one. */
export function fromFramework(thrown: FastifyError | Error): Failure {
  if (thrown instanceof Failure || !('statusCode' in thrown)) return toFailure(thrown)
  if ('validation' in thrown && thrown.validation !== undefined) return badRequest(toValidationText(thrown))
  const { statusCode = 500 } = thrown
  if (statusCode === 413) return tooLarge('Request body is too large')
  if (statusCode === 415) return unsupported('Unsupported media type')
  if (statusCode === 503) return unavailable('The server is closing', { retryAfter: 1 })
  if (statusCode >= 400 && statusCode < 500) return badRequest(thrown.message)
  return toFailure(thrown)
}

/** Names the field by its path: `Invalid body: config.user.a must be string`. */
function toValidationText({ validation, validationContext }: FastifyError): string {
  const [first] = validation ?? []
  const path = first?.instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~') ?? ''
  const choice = (validation ?? []).flatMap((one) => (one.keyword === 'const' ? [one.params['allowedValue']] : []))
  const fault = first?.keyword === 'const' ? `must be one of ${choice.join(', ')}` : first?.message
  return `Invalid ${validationContext ?? 'request'}: ${path === '' ? '' : `${path} `}${fault ?? 'not valid'}`
}

/** Answers what is not HTTP, or not in time, on the bare socket. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = CLIENT_ERRORS[error.code ?? ''] ?? 400
  const reason = nodeHttp.STATUS_CODES[status] ?? ''
  const body = `${JSON.stringify(toErrorAnswer(status, { message: reason.toLowerCase(), operation: undefined }))}\n`
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  )
}

const CLIENT_ERRORS: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}
