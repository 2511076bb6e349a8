/**
 * The one place where an engine's errors become Failures. Statuses differ between versions for the same thing, so a
 * status decides first and a piece of the text second, always by *contains*.
 */
import {
  badRequest,
  cancelled,
  Failure,
  type FailureCode,
  internal,
  timedOut,
  unavailable,
} from '../../core/failure.ts'
import { fields, text } from './read.ts'

/** Seconds after which asking an engine that was away again makes sense. */
const RETRY_AFTER = 5

const BY_STATUS: Readonly<Record<number, FailureCode>> = {
  400: 'bad-request',
  // 401 and 403 are about the engine's own policy, not about the user's rights here.
  401: 'bad-request',
  403: 'bad-request',
  404: 'not-found',
  406: 'conflict',
  409: 'conflict',
  501: 'not-implemented',
  503: 'unavailable',
}

/** Texts that mean the same on every engine, whatever status comes with them. */
const BY_TEXT: readonly (readonly [piece: string, code: FailureCode])[] = [
  ['client version', 'unsupported'],
  ['port is already allocated', 'conflict'],
  ['address already in use', 'conflict'],
  ['already exists', 'conflict'],
  ['already in use', 'conflict'],
  ['pool overlaps', 'conflict'],
  ['has active endpoints', 'conflict'],
  ['could not select device driver', 'bad-request'],
  ['unauthorized', 'bad-request'],
  ['no basic auth credentials', 'bad-request'],
  ['pull access denied', 'not-found'],
  ['manifest unknown', 'not-found'],
  ['no matching manifest', 'not-found'],
]

/** Where an engine is, for sentences that say what to do. */
export interface EngineAddress {
  member: string
  /** Path of the socket, or URL. */
  address: string
}

/** A bind mount of a path that the engine's host does not have. */
const MISSING_SOURCE = /bind source path does not exist: (.+)$/s

/** The host's side of a port, at the end of a long story: `Bind for 0.0.0.0:80 failed: port is already allocated`. */
const LISTEN =
  /(?:Bind for|listen (?:tcp|udp)[46]?|bind host port(?: for)?) ((?:\[[^\]]*\]|[\d.]+):\d+).*(already|cannot assign requested)/s

/** In LXD's words. */
function listenRefusal(words: string): Failure | undefined {
  const [, address = '', why] = LISTEN.exec(words) ?? []
  if (why === undefined) return undefined
  const isTaken = why === 'already'
  const reason = isTaken ? 'address already in use' : 'cannot assign requested address'
  return new Failure(isTaken ? 'conflict' : 'bad-request', `Failed to listen on ${address}: ${reason}`)
}

/** The host's path that a container was to have and that is not there, where this is what the engine says. */
export function missingSource(words: string): string | undefined {
  return MISSING_SOURCE.exec(words)?.[1]
}

/** A device that was there when the container was made. */
const MISSING_DEVICE = /gathering device information while adding custom device "([^"]+)"/

function deviceRefusal(words: string): Failure | undefined {
  const path = MISSING_DEVICE.exec(words)?.[1]
  if (path === undefined) return undefined
  return badRequest(`The host has no device "${path}" any more: bring it back, or remove it from the instance`)
}

/** What the runtime says of a right that the engine's own bounding set lacks, or the engine before it gets that far. */
const MISSING_RIGHT =
  /unable to apply caps: [^:]+|capability not supported by your kernel or not available[^:]*: "\w+"/i

function rightsRefusal(words: string): Failure | undefined {
  const [told] = MISSING_RIGHT.exec(words) ?? []
  if (told === undefined) return undefined
  return new Failure(
    'unsupported',
    `Docker Engine itself lacks a right that the instance is to have (${told}): run the engine with all capabilities, or unset security.privileged or security.nesting`,
  )
}

/** An engine's refusal. `doing` is a gerund with its object: `starting container web`. */
export function refusal(doing: string, status: number, body: string): Failure {
  const words = engineWords(body) || `status ${status}`
  const source = missingSource(words)
  if (source !== undefined) return badRequest(`Missing source path "${source}" for disk`)
  return (
    listenRefusal(words) ??
    deviceRefusal(words) ??
    rightsRefusal(words) ??
    new Failure(codeOf(status, words), `Failed ${doing}: ${words}`)
  )
}

/** What the engine says in an error body: its `message`, or the bare text. */
export function engineWords(body: string): string {
  try {
    const message = text(fields(JSON.parse(body)).message)
    if (message !== '') return message.trim()
  } catch {
    // Not JSON: a proxy's page or a plain sentence.
  }
  return body.trim().slice(0, 2_000)
}

/** Whether an engine's text contains one of these pieces, case left aside. */
export function says(words: string, ...pieces: string[]): boolean {
  const lower = words.toLowerCase()
  return pieces.some((piece) => lower.includes(piece))
}

/** The failure code for an engine's error text that came without a status of its own (lines of a stream). */
export function codeOf(status: number, words: string): FailureCode {
  return BY_TEXT.find(([piece]) => says(words, piece))?.[1] ?? BY_STATUS[status] ?? 'internal'
}

/** What ends a call from our side: its time, or the caller. */
export function abortFailure(reason: unknown, doing: string): Failure {
  return reason instanceof Failure ? reason : cancelled(`Cancelled while ${doing}`, { cause: reason })
}

/** No answer within the time. */
export function noAnswer(engine: EngineAddress, doing: string, ms: number): Failure {
  return timedOut(`Docker Engine of member "${engine.member}" gave no answer within ${ms / 1000} s while ${doing}`)
}

/** An error of the connection to a Failure that says what to do. */
export function connectionFailure(error: unknown, engine: EngineAddress, doing: string): Failure {
  if (error instanceof Failure) return error
  const advice = adviceFor(error, engine)
  if (advice !== undefined) {
    return unavailable(`Docker Engine of member "${engine.member}" cannot be used while ${doing}: ${advice}`, {
      retryAfter: RETRY_AFTER,
      cause: error,
    })
  }
  return internal(`Failed ${doing}`, { cause: error })
}

const UNREACHABLE = ['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']
const LOST = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']

/** Whether a connection that was there broke off. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return LOST.includes(text('code' in error ? error.code : '')) || says(error.message, 'socket hang up', 'aborted')
}

function adviceFor(error: unknown, { address }: EngineAddress): string | undefined {
  const code = text(error instanceof Error && 'code' in error ? error.code : '')
  if (code === 'ENOENT') return `there is no socket at ${address}; start Docker or set DOCKER_HOST`
  if (code === 'ECONNREFUSED') return `nothing answers at ${address}; start Docker`
  if (code === 'EACCES' || code === 'EPERM') {
    return `no permission for ${address}; run as root or as a member of the group that owns the socket`
  }
  if (UNREACHABLE.includes(code)) return `${address} cannot be reached (${code}); check DOCKER_HOST and the network`
  if (isLost(error)) return `the connection to ${address} was lost`
  if (says(code, 'err_tls', 'cert', 'self_signed', 'err_ssl')) return `TLS with ${address} failed (${code})`
  return undefined
}
