/**
 * Bodies as LXD's clients send them: JSON whatever the content type says or does not say, bodies where none belongs
 * (ignored), and streams for the routes that ask for them.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { badRequest, tooLarge } from '../core/failure.ts'
import { refuseHalfCharacters } from '../core/json-text.ts'
import type { App } from './app-types.ts'
import { fromFramework } from './errors.ts'

/** Largest JSON body, bytes. */
export const JSON_LIMIT = 1024 * 1024
/** A JSON body that has not come whole by then is given up, milliseconds: half a request holds nothing for longer. */
const BODY_WITHIN = 60_000

/** Registers the parsers of a scope. */
export function acceptBodies(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', readJson)
  app.addHook('preValidation', async (request) => {
    // Go's decoder says so of a body that is not there.
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined && !isStreamed(request))
      throw badRequest('EOF')
  })
}

/** Registers the parsers of a scope whose bodies are streams unless they say, or it is seen, that they are JSON. */
export function acceptStreams(app: App): void {
  acceptBytes(app)
  app.addContentTypeParser('application/json', readJson)
  // curl says so of all that it is given. LXD as well looks at the body itself; no tarball begins like an object.
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    async (request: FastifyRequest, payload: IncomingMessage) =>
      (await beginsAsObject(payload)) ? readJson(request, payload) : payload,
  )
}

async function readJson(request: FastifyRequest, payload: IncomingMessage): Promise<unknown> {
  return parse(request, await readBody(payload))
}

/** Looks at the first bytes; they stay to be read. */
async function beginsAsObject(payload: IncomingMessage): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const event of ['readable', 'close'] as const) payload.once(event, resolve)
  await promise
  for (const event of ['readable', 'close'] as const) payload.off(event, resolve)
  const first: Buffer | null = payload.read()
  if (first === null) return false
  payload.unshift(first)
  return /^\s*\{/.test(first.toString('latin1'))
}

/** Registers the parser of a scope whose bodies are JSON unless they say that they are octets. */
export function acceptOctets(app: App): void {
  app.addContentTypeParser('application/octet-stream', asItIs)
  readOutRefused(app)
}

/** Registers the parser of a scope whose bodies are streams, whatever they say they are. */
export function acceptBytes(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', asItIs)
  readOutRefused(app)
}

async function asItIs(_request: FastifyRequest, payload: NodeJS.ReadableStream): Promise<NodeJS.ReadableStream> {
  return payload
}

function readOutRefused(app: App): void {
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode >= 400) await readOut(request.raw)
  })
}

/** Registers the same for a scope of JSON bodies: the one that is too large is not read otherwise. */
export function readOutTooLarge(app: App): void {
  app.addHook('onError', async (request, _reply, thrown) => {
    if (fromFramework(thrown).code === 'too-large') await readOut(request.raw)
  })
}

/**
 * The whole of a JSON body. Throws too-large as soon as that is known, bad-request when it ends too early or has not
 * come within the time (milliseconds).
 */
export function readBody(payload: IncomingMessage, within = BODY_WITHIN): Promise<Buffer> {
  if (Number(payload.headers['content-length']) > JSON_LIMIT)
    return Promise.reject(tooLarge('Request body is too large'))
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  // Most are there already.
  const late = payload.complete
    ? undefined
    : setTimeout(() => reject(badRequest(`The body did not come within ${within / 1000} s`)), within)
  const take = (chunk: Buffer): void => {
    size += chunk.length
    if (size > JSON_LIMIT) reject(tooLarge('Request body is too large'))
    else chunks.push(chunk)
  }
  // Each request closes in the end, and an error with its stack is not cheap.
  const cutOff = (): void => (payload.readableEnded ? undefined : reject(badRequest('The body ended too early')))
  payload.on('data', take)
  payload.once('end', () => resolve(Buffer.concat(chunks, size)))
  for (const event of ['error', 'close'] as const) payload.on(event, cutOff)
  return promise.finally(() => {
    clearTimeout(late)
    payload.off('data', take)
  })
}

/** Of a refused upload so much is still read, bytes, and so long, milliseconds. */
const READ_OUT = 64 * 1024 * 1024
const READ_OUT_MS = 5_000

/**
 * Clients send all before they read the answer: where the connection is closed on what they send, they tell of a broken
 * pipe instead of the reason.
 */
async function readOut(body: IncomingMessage): Promise<void> {
  if (body.readableEnded || body.destroyed) return
  let read = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const late = setTimeout(resolve, READ_OUT_MS)
  body.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (read > READ_OUT) resolve()
  })
  for (const event of ['end', 'close', 'error'] as const) body.once(event, () => resolve())
  await promise
  clearTimeout(late)
}

function isStreamed(request: FastifyRequest): boolean {
  return request.routeOptions.config.streamed === true
}

function parse(request: FastifyRequest, body: Buffer): unknown {
  if (request.headers['idempotency-key'] !== undefined)
    request.bodyHash = createHash('sha256').update(body).digest('hex')
  if (request.routeOptions.schema?.body === undefined && !isStreamed(request)) return undefined
  const text = body.toString()
  if (text.trim() === '') return undefined
  try {
    return SUSPECT.test(text) ? JSON.parse(text, refuseOdd) : JSON.parse(text)
  } catch (failure) {
    throw badRequest(failure instanceof Error ? failure.message : 'Body is not JSON')
  }
}

/** A key that would reach the prototype of what it is merged into, also in escapes, and half characters. */
const SUSPECT = /__proto__|\\u(?:00[5-7]|d[89a-f])/i

function refuseOdd(key: string, value: unknown): unknown {
  refuseHalfCharacters(key, value)
  if (key === '__proto__') throw new Error('The key "__proto__" is not allowed')
  return value
}
