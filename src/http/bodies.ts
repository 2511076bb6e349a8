/**
 * Bodies as LXD's clients send them: JSON whatever the content type says or does not say, bodies where none belongs
 * (ignored), and streams for the routes that ask for them.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { badRequest } from '../core/failure.ts'
import type { App } from './app-types.ts'

/** Largest JSON body, bytes. */
export const JSON_LIMIT = 1024 * 1024

/** Registers the parsers of a scope. */
export function acceptBodies(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: JSON_LIMIT },
    async (request: FastifyRequest, body: Buffer) => parse(request, body),
  )
  app.addHook('preValidation', async (request) => {
    // Go's decoder says so of a body that is not there.
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined && !isStreamed(request))
      throw badRequest('EOF')
  })
}

/** Registers the parsers of a scope whose bodies are streams unless they say they are JSON. */
export function acceptStreams(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: JSON_LIMIT },
    async (request: FastifyRequest, body: Buffer) => parse(request, body),
  )
  app.addContentTypeParser('*', async (_request: FastifyRequest, payload: NodeJS.ReadableStream) => payload)
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode >= 400) await readOut(request.raw)
  })
}

/** Registers the same for a scope of JSON bodies: the one that is too large is not read otherwise. */
export function readOutTooLarge(app: App): void {
  app.addHook('onSend', async (request, reply) => {
    const isTooLarge = Number(request.headers['content-length']) > JSON_LIMIT
    // Not every dialect has a status of its own for it.
    if (reply.statusCode === 413 || (reply.statusCode >= 400 && isTooLarge)) await readOut(request.raw)
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
    return POISON.test(text) ? JSON.parse(text, refusePoison) : JSON.parse(text)
  } catch (failure) {
    throw badRequest(failure instanceof Error ? failure.message : 'Body is not JSON')
  }
}

/** A key that would reach the prototype of what it is merged into; escapes are looked at closely. */
const POISON = /__proto__|\\u005f/i

function refusePoison(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('The key "__proto__" is not allowed')
  return value
}
