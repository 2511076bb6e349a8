/** Talking to another server of LXD's API over HTTPS: only to who it should be, and not for longer than makes sense. */
import { X509Certificate } from 'node:crypto'
import { lookup as resolveName } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { OtherServer } from '../src/contract/records.ts'
import { badRequest, isFailure, tooLarge, type Failure } from '../src/core/failure.ts'
import { observed } from '../src/core/image-parts.ts'
import { hostOf, mayReach } from '../src/core/outbound.ts'

/** How long it may take, milliseconds and bytes. */
export interface Bounds {
  /** Until a request is answered. */
  answer: number
  /** In each window this many bytes must pass while a file is on its way. */
  window: number
  least: number
  /** Of everything. */
  whole: number
}

/**
 * A worker performs eight operations at a time: a server that trickles must not keep one of them. Two MiB a minute is
 * less than any line has that images are copied over, and twelve hours are enough for the largest one at 500 kB/s.
 */
const BOUNDS: Bounds = { answer: 60_000, window: 60_000, least: 2 * 1024 * 1024, whole: 12 * 3_600_000 }

const MAX_JSON = 1024 * 1024

export interface Asking {
  method?: string
  headers?: Record<string, string>
  /** Sent as it comes. */
  body?: Readable
}

/** A conversation with one server. */
export interface Line {
  /** Its answer, which must be read or destroyed. What the connection itself comes to is one sentence, so that nobody looks around in a network by it. */
  ask(path: string, asking?: Asking): Promise<IncomingMessage>
  /** The `metadata` of an answer; undefined where there are none. Bad-request for what is no JSON. */
  metadataOf(answer: IncomingMessage): Promise<Record<string, unknown>>
  /** What the server says of its refusal. Who has pinned no certificate may be asking anything that answers: that is not told. */
  refusal(answer: IncomingMessage): Promise<string>
  /** The file, which must keep coming, or being taken. */
  moving(content: AsyncIterable<unknown>, see?: (chunk: Buffer) => void): Readable
}

/** Speaks with a server until `work` is done. Bad-request where that takes too long. */
export async function talk<T>(
  server: OtherServer,
  signal: AbortSignal,
  work: (line: Line) => Promise<T>,
  bounds: Bounds = BOUNDS,
): Promise<T> {
  const over = new AbortController()
  const stop = (failure: Failure) => over.abort(failure)
  const { url } = server
  const seconds = bounds.whole / 1000
  const timer = setTimeout(() => stop(badRequest(`${url} was not done within ${seconds} s`)), bounds.whole)
  const both = AbortSignal.any([signal, over.signal])
  const line: Line = {
    ask: (path, asking = {}) => ask(server, path, { ...asking, signal: both, within: bounds.answer }),
    metadataOf: async (answer) => metadataIn(await textOf(line.moving(answer)), url),
    refusal: (answer) => refusalOf(server, answer, line),
    moving: (content, see) => moving(content, see, { bounds, stop, url }),
  }
  try {
    return await work(line)
  } catch (thrown) {
    // What was broken off for this says so only here.
    throw over.signal.aborted && !signal.aborted ? over.signal.reason : thrown
  } finally {
    clearTimeout(timer)
    // Nothing goes on behind an end that came early.
    over.abort()
  }
}

function moving(
  content: AsyncIterable<unknown>,
  see: ((chunk: Buffer) => void) | undefined,
  { bounds, stop, url }: { bounds: Bounds; stop(failure: Failure): void; url: string },
): Readable {
  let passed = 0
  const timer = setInterval(() => {
    if (passed < bounds.least) {
      clearInterval(timer)
      stop(badRequest(`${url} is too slow: ${passed} bytes in ${bounds.window / 1000} s`))
    }
    passed = 0
  }, bounds.window)
  const stream = observed(content, (chunk) => {
    passed += chunk.length
    see?.(chunk)
  })
  return stream.once('close', () => clearInterval(timer))
}

interface Sending extends Asking {
  signal: AbortSignal
  within: number
}

async function ask(server: OtherServer, path: string, { body, within, ...options }: Sending): Promise<IncomingMessage> {
  const { url, certificate, reach } = server
  const target = new URL(path, url)
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const late = () => reject(new Error('It is silent'))
  let timer: NodeJS.Timeout | undefined
  try {
    const host = hostOf(target)
    // Names are judged when they are looked up, for the address that is connected to then.
    if (isIP(host) !== 0 && !mayReach(host, reach)) throw new Error('Out of reach')
    const sent = request(target, { ...options, ...trusting(certificate), agent: false, lookup: lookupWithin(reach) })
    // Else a server that refuses a body half-way closes behind its answer, which may be lost then.
    if (body !== undefined) sent.setHeader('connection', 'keep-alive')
    // Whoever reads an answer hears of its end; one that nobody reads any more may break off.
    sent.once('response', (answer: IncomingMessage) => resolve(answer.on('error', nothing)))
    sent.on('error', reject)
    // A body takes its time, which is bounded by its own pace.
    const wait = () => (timer = setTimeout(late, within))
    if (body === undefined) wait()
    else sent.once('finish', wait)
    if (body === undefined) sent.end()
    // An answer before its end refuses the rest.
    else pipeline(body, sent).catch(reject)
    promise.catch(() => sent.destroy())
    return await promise
  } catch (cause) {
    if (isFailure(cause)) throw cause
    throw badRequest(`No server with the certificate that is wanted answers at ${url}`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

const nothing = () => undefined

/** Addresses that may not be reached are as good as none. */
function lookupWithin(reach: string[]): LookupFunction {
  return (host, options, callback) => {
    resolveName(host, { ...options, all: true }, (error, addresses) => {
      const [first, ...more] = error === null ? addresses.filter(({ address }) => mayReach(address, reach)) : []
      if (first === undefined) callback(error ?? new Error('Out of reach'), '')
      else if (options.all === true) callback(null, [first, ...more])
      else callback(null, first.address, first.family)
    })
  }
}

/** Just this certificate, whatever name it is for; without one the usual authorities. */
function trusting(certificate: string): RequestOptions {
  if (certificate === '') return {}
  const wanted = parsed(certificate)
  return {
    ca: [certificate],
    allowPartialTrustChain: true,
    // Nothing else that it may have signed.
    checkServerIdentity: (_host, { raw }) => (raw.equals(wanted.raw) ? undefined : new Error('Another certificate')),
  }
}

function parsed(certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch (cause) {
    throw badRequest("The other server's certificate cannot be read", { cause })
  }
}

async function textOf(answer: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_JSON) throw tooLarge('The other server has answered with more than 1 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function metadataIn(text: string, url: string): Record<string, unknown> {
  try {
    const { metadata }: { metadata?: unknown } = Object(JSON.parse(text))
    return Object(metadata)
  } catch (cause) {
    throw badRequest(`${url} is no server of LXD's API`, { cause })
  }
}

async function refusalOf({ certificate }: OtherServer, answer: IncomingMessage, line: Line): Promise<string> {
  if (certificate === '') {
    answer.destroy()
    return ''
  }
  const told = await textOf(line.moving(answer)).catch((failure: unknown) =>
    isFailure(failure) ? failure.message : '',
  )
  return `: ${errorIn(told) || `status ${answer.statusCode}`}`
}

function errorIn(text: string): string {
  try {
    const { error }: { error?: unknown } = Object(JSON.parse(text))
    return typeof error === 'string' ? error.slice(0, 200) : ''
  } catch {
    return ''
  }
}
