/**
 * One engine's API as three calls. dockerode dials; its own calls put ids into paths as they are, know no bound on
 * time and lose the engine's words on some statuses.
 */
import { Dockerode } from './dockerode.ts'
import type { Duplex, Readable } from 'node:stream'
import { isFailure, unavailable } from '../../core/failure.ts'
import { nodeHttp } from '../../node-http.ts'
import { chooseApi } from './api-version.ts'
import { type DockerTls, type Endpoint, openEndpoint } from './endpoint.ts'
import { abortFailure, connectionFailure, engineWords, noAnswer, refusal, says } from './errors.ts'
import { exchange, type Head, headersOf, type Line, type Modem, readBody, statusOf } from './exchange.ts'
import { createLimiter } from './limiter.ts'
import type { EngineAnswer, EngineRequest, Timeouts } from './requests.ts'
import { guardStream } from './stream-guard.ts'

export interface WireOptions {
  /** The engine's name here. */
  member: string
  /** Objects labelled with another deployment are not ours. */
  deployment: string
  /** `unix:///path` or `tcp://host:port`. */
  dockerHost: string
  tls?: DockerTls | undefined
  timeouts?: Partial<Timeouts> | undefined
  /** Calls at a time that wait for an answer; 32 if not said. */
  concurrency?: number | undefined
}

export interface Wire {
  readonly member: string
  readonly deployment: string
  readonly timeouts: Timeouts
  /** The minor number of the negotiated API version: 41 for 1.41. */
  api(): Promise<number>
  ask(request: EngineRequest): Promise<EngineAnswer>
  /** The body as it comes. Destroying it ends the call; it destroys itself when nothing moves for the idle time. */
  stream(request: EngineRequest, idle?: number): Promise<Readable>
  /** An upgraded connection, or the engine's refusal. */
  hijack(request: EngineRequest): Promise<Duplex>
  /** Asks for the version again at the next call: the engine may be another one now. */
  forget(): void
  /** Aborts when the engine is let go of. */
  readonly closed: AbortSignal
  close(): void
}

const TIMEOUTS: Timeouts = { answer: 60_000, change: 5 * 60_000, work: 30 * 60_000, idle: 120_000 }
const CONCURRENCY = 32

/** Joins an engine; nothing is sent before the first call. */
export function createWire(options: WireOptions): Wire {
  const endpoint = openEndpoint(options.dockerHost, options.tls)
  const closing = new AbortController()
  const line: Line = {
    engine: { member: options.member, address: endpoint.address },
    timeouts: { ...TIMEOUTS, ...options.timeouts },
    limiter: createLimiter(options.concurrency ?? CONCURRENCY),
    closing: closing.signal,
  }
  const modems = createModems(endpoint, line)
  const send = async <T>(request: EngineRequest, use: (head: Head) => Promise<T>): Promise<T> => {
    try {
      const choose = request.unversioned === true ? modems.bare : modems.versioned
      return await exchange(line, request, choose, use)
    } catch (error) {
      // It may come back as another version.
      if (isFailure(error, 'unavailable', 'unsupported')) modems.forget()
      throw error
    }
  }
  return {
    member: options.member,
    deployment: options.deployment,
    timeouts: line.timeouts,
    api: modems.api,
    ask: (request) => send(request, (head) => toAnswer(request, head)),
    stream: async (request, idle = line.timeouts.idle) =>
      guardAnswer(line, request, await send(request, (head) => accepted(request, head)), idle),
    hijack: (request) => {
      const headers = { ...request.headers, Upgrade: 'tcp', Connection: 'Upgrade' }
      return send({ ...request, headers }, (head) => upgraded(request, head))
    },
    forget: modems.forget,
    closed: closing.signal,
    close: () => {
      closing.abort(unavailable(`The connection to member "${options.member}" is being closed`))
      endpoint.close()
    },
  }
}

interface Modems {
  bare: () => Promise<Modem>
  versioned: () => Promise<Modem>
  api: () => Promise<number>
  forget: () => void
}

/** dockerode's modems without and with the API version in their paths, the latter once it is known. */
function createModems(endpoint: Endpoint, line: Line): Modems {
  const plain = new Dockerode(endpoint.options).modem
  const bare = (): Promise<Modem> => Promise.resolve(plain)
  let known: Promise<{ api: number; modem: Modem }> | undefined
  const forget = (): void => {
    known = undefined
  }
  const negotiate = async (): Promise<{ api: number; modem: Modem }> => {
    const request = { doing: 'asking for its version', method: 'GET', path: '/version' } as const
    const { body } = await exchange(line, request, bare, (head) => toAnswer(request, head))
    const api = chooseApi(body, line.engine.member)
    return { api, modem: new Dockerode({ ...endpoint.options, version: `v1.${api}` }).modem }
  }
  const current = (): Promise<{ api: number; modem: Modem }> => {
    known ??= negotiate().catch((error: unknown) => {
      forget()
      throw error
    })
    return known
  }
  return { bare, versioned: async () => (await current()).modem, api: async () => (await current()).api, forget }
}

async function toAnswer(request: EngineRequest, head: Head): Promise<EngineAnswer> {
  const status = statusOf(head)
  const told = await readBody(head)
  if (!isFine(status) && request.expect?.includes(status) !== true) throw refusal(request.doing, status, told)
  const words = isFine(status) ? '' : engineWords(told)
  return { status, headers: headersOf(head), body: decode(told), text: told, words }
}

async function accepted(request: EngineRequest, head: Head): Promise<Head> {
  if (isFine(statusOf(head))) return head
  throw refusal(request.doing, statusOf(head), await readBody(head))
}

async function upgraded(request: EngineRequest, head: Head): Promise<Duplex> {
  if (!(head instanceof nodeHttp.IncomingMessage)) return head
  throw refusal(request.doing, statusOf(head), await readBody(head))
}

function guardAnswer(line: Line, request: EngineRequest, head: Head, idle: number): Readable {
  return guardStream(head, {
    idle,
    signals: [request.signal, line.closing],
    onIdle: () => noAnswer(line.engine, request.doing, idle),
    onAbort: (reason) => abortFailure(reason, request.doing),
    onError: (error) => connectionFailure(error, line.engine, request.doing),
  })
}

function isFine(status: number): boolean {
  return status >= 200 && status < 300
}

function decode(body: string): unknown {
  if (body.trim() === '') return undefined
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** Asks, and takes a refusal whose words contain one of `pieces` as "nothing to do": false then, true else. */
export async function askUnless(wire: Wire, request: EngineRequest, pieces: readonly string[]): Promise<boolean> {
  const answer = await wire.ask({ ...request, expect: [400, 403, 409, 500] })
  if (isFine(answer.status)) return true
  if (says(answer.words, ...pieces)) return false
  throw refusal(request.doing, answer.status, answer.words)
}

/** What a call has in common that changes something at the engine; a POST where nothing else is said. */
export function change(wire: Wire, doing: string, signal: AbortSignal | undefined) {
  return { doing, method: 'POST', signal, timeout: wire.timeouts.change, isChange: true } as const
}

/** Asks for something to be removed that the engine keeps where it is used. */
export async function removeUnused(
  wire: Wire,
  { doing, path }: Pick<EngineRequest, 'doing' | 'path'>,
  signal?: AbortSignal,
): Promise<'removed' | 'missing' | 'in-use'> {
  const request = { ...change(wire, doing, signal), method: 'DELETE', path } as const
  const { status } = await wire.ask({ ...request, expect: [404, 409] })
  if (status === 404) return 'missing'
  return status === 409 ? 'in-use' : 'removed'
}
