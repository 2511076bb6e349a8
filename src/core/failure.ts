/**
 * Everything that can go wrong, by name. Each outside (the native API, each dialect) maps these codes to its own
 * statuses in one total table; nothing else in the project knows a status.
 */
export const FAILURE_CODES = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'not-found',
  'conflict',
  'precondition-failed',
  'unprocessable',
  'gone',
  'too-large',
  'unsupported',
  'not-implemented',
  'method-not-allowed',
  'too-many',
  'unavailable',
  'timeout',
  'cancelled',
  'internal',
] as const
export type FailureCode = (typeof FAILURE_CODES)[number]

export interface FailureDetail {
  /** Seconds after which trying again makes sense (`Retry-After`). */
  retryAfter?: number
  /** An operation that the reader may want to look at, by its URL. */
  operation?: string
  cause?: unknown
}

/** The one error class that crosses rooms. `message` is shown to the user: it names the thing and the value, never a secret. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly retryAfter: number | undefined
  readonly operation: string | undefined

  constructor(code: FailureCode, message: string, detail: FailureDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'Failure'
    this.code = code
    this.retryAfter = detail.retryAfter
    this.operation = detail.operation
  }
}

const maker =
  (code: FailureCode) =>
  (message: string, detail?: FailureDetail): Failure =>
    new Failure(code, message, detail)

export const badRequest = maker('bad-request')
export const unauthorized = maker('unauthorized')
export const forbidden = maker('forbidden')
export const notFound = maker('not-found')
export const conflict = maker('conflict')
export const preconditionFailed = maker('precondition-failed')
export const unprocessable = maker('unprocessable')
export const gone = maker('gone')
export const tooLarge = maker('too-large')
export const unsupported = maker('unsupported')
export const notImplemented = maker('not-implemented')
export const methodNotAllowed = maker('method-not-allowed')
export const tooMany = maker('too-many')
export const unavailable = maker('unavailable')
export const timedOut = maker('timeout')
export const cancelled = maker('cancelled')
export const internal = maker('internal')

/** Anything thrown → a Failure. What is not one of ours keeps its text only as the cause: internals are not for users. */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  return internal('Internal error', { cause: thrown })
}

/** Whether what was thrown is a Failure with one of these codes. */
export function isFailure(thrown: unknown, ...codes: FailureCode[]): thrown is Failure {
  return thrown instanceof Failure && (codes.length === 0 || codes.includes(thrown.code))
}
