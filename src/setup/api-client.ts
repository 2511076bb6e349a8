import { request, type IncomingHttpHeaders } from 'node:http'
import { SetupError } from './host.ts'

/** One answer of the server's native API. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The decoded body; undefined where there was none or no JSON. */
  readonly body: unknown
  /** The body as it came. */
  readonly text: string
}

/** A request over the server's unix socket, where everybody who may open it is an admin. */
export interface ApiRequest {
  readonly method: string
  readonly path: string
  /** A Buffer goes as it is (octet-stream), anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends one request; rejects only where no answer comes. */
export function callApi(socketPath: string, { method, path, body, headers = {} }: ApiRequest): Promise<ApiAnswer> {
  const payload = toPayload(body)
  const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json'
  const entity = payload === undefined ? {} : { 'content-type': type, 'content-length': String(payload.length) }
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false, headers: { ...entity, ...headers } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: decode(text), text }),
      )
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}

/** The same for commands of people: where nothing answers, the SetupError says what to do. */
export function askServer(socketPath: string, call: ApiRequest): Promise<ApiAnswer> {
  return callApi(socketPath, call).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SetupError(
      `No Windlass answers at ${socketPath} (${why}): start it with "npm start", or name its WINDLASS_SOCKET or WINDLASS_DATA_DIR.`,
    )
  })
}

/** Sends one request and waits for the operation it starts, if it starts one; throws where either fails. */
export async function callAndWait(socketPath: string, call: ApiRequest): Promise<unknown> {
  const answer = await callApi(socketPath, call)
  if (answer.status >= 400)
    throw new SetupError(`${call.method} ${call.path} answered ${answer.status}: ${errorOf(answer.body)}`)
  const operation = fieldOf(answer.body, 'operation')
  if (answer.status !== 202 || typeof operation !== 'string') return fieldOf(answer.body, 'metadata')
  const waited = await callApi(socketPath, { method: 'GET', path: `${operation}/wait?timeout=300` })
  const result = fieldOf(waited.body, 'metadata')
  const failure = fieldOf(result, 'err')
  if (fieldOf(result, 'status_code') !== 200)
    throw new SetupError(`${call.method} ${call.path} failed: ${String(failure)}`)
  return result
}

/** A field of a decoded body, undefined where there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

function errorOf(body: unknown): string {
  const error = fieldOf(body, 'error')
  return typeof error === 'string' ? error : 'no reason given'
}

function toPayload(body: unknown): Buffer | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body
  return Buffer.from(JSON.stringify(body))
}

function decode(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
