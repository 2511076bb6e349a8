/**
 * One engine's API as three calls. dockerode dials; statuses, bodies, times and failures are ours, since its own
 * calls put ids into paths as they are, know no bound on time and lose the engine's words on some statuses.
 */
import Docker from 'dockerode'
import { IncomingMessage } from 'node:http'
import { Duplex, type Readable } from 'node:stream'
import { badRequest, Failure, internal, isFailure, timedOut, unavailable, unsupported } from '../../core/failure.ts'
import { abortFailure, connectionFailure, engineWords, noAnswer, refusal, says } from './errors.ts'
import { openEndpoint, type DockerTls } from './endpoint.ts'
import { createLimiter } from './limiter.ts'
import { count, fields, type Fields, text } from './read.ts'
import { guardStream, onAbort } from './stream-guard.ts'

/** All in milliseconds. */
export interface Timeouts {
  /** Calls that are answered at once. */
  answer: number
  /** Calls that start, stop, make or remove something; many at once take their time. */
  change: number
  /** Calls that copy files: commit, the end of an import. */
  work: number
  /** Streams on which nothing moves. */
  idle: number
}

export interface WireOptions {
  member: string
  deployment: string
  dockerHost: string
  tls?: DockerTls | undefined
  timeouts?: Partial<Timeouts> | undefined
  /** Calls at a time that wait for an answer. */
  concurrency?: number | undefined
}

export interface EngineRequest {
  /** A gerund with its object for the failure's sentence: `starting container web`. */
  doing: string
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Made by `route`. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  body?: Fields
  /** Sent as it is; destroyed when the call is over. */
  file?: Readable
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal | undefined
  /** Milliseconds until the answer is there, `answer` if not said; 0: as long as it takes. */
  timeout?: number
  /** Waits for something outside the engine (a process, an upload), so that it must not hold others up. */
  isBlocking?: boolean
  /** Statuses besides 2xx that are answers and no failures. */
  expect?: readonly number[]
  /** Asks without an API version in the path. */
  unversioned?: boolean
}

export interface EngineAnswer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** The decoded body, undefined for none; a string where it is no JSON. */
  body: unknown
  /** The body as it came. */
  text: string
  /** The engine's error text where the status is not 2xx. */
  words: string
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
  close(): void
}

/** Oldest and newest API (minor numbers of 1.x) that the tests have run on. */
const OLDEST_API = 41
const NEWEST_API = 51
const DEFAULTS: Timeouts = { answer: 60_000, change: 5 * 60_000, work: 30 * 60_000, idle: 120_000 }
const MAX_BODY = 256 * 1024 * 1024
// dockerode takes a status for an error unless it is listed.
const EVERY_STATUS = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true]))

type Modem = Docker['modem']

/** Asks, and takes a refusal whose words contain one of `pieces` as "nothing to do": false then, true else. */
export async function askUnless(wire: Wire, request: EngineRequest, pieces: readonly string[]): Promise<boolean> {
  const answer = await wire.ask({ ...request, expect: [400, 403, 409, 500] })
  if (answer.status < 300) return true
  if (says(answer.words, ...pieces)) return false
  throw refusal(request.doing, answer.status, answer.words)
}

/** A path with its values encoded: route`/containers/${name}/start`. */
export function route(parts: TemplateStringsArray, ...values: string[]): string {
  return parts.reduce((path, part, index) => path + encodeURIComponent(values[index - 1] ?? '') + part)
}

/** Joins an engine; nothing is sent before the first call. */
export function createWire(options: WireOptions): Wire {
  const endpoint = openEndpoint(options.dockerHost, options.tls)
  const engine = { member: options.member, address: endpoint.address }
  const timeouts = { ...DEFAULTS, ...withoutUndefined(options.timeouts ?? {}) }
  const limiter = createLimiter(options.concurrency ?? 32)
  const closing = new AbortController()
  const bare = new Docker(endpoint.options).modem
  let negotiated: Promise<{ api: number; modem: Modem }> | undefined

  async function negotiate(): Promise<{ api: number; modem: Modem }> {
    const request = { doing: 'asking for its version', method: 'GET', path: '/version', unversioned: true } as const
    const api = chooseApi((await ask(request)).body, options.member)
    return { api, modem: new Docker({ ...endpoint.options, version: `v1.${api}` }).modem }
  }
  function current(): Promise<{ api: number; modem: Modem }> {
    negotiated ??= negotiate().catch((error: unknown) => {
      forget()
      throw error
    })
    return negotiated
  }
  function forget(): void {
    negotiated = undefined
  }

  /** One exchange up to the answer's head; `use` gets it before the call's time and signal are let go. */
  async function exchange<T>(asked: EngineRequest, use: (answer: Duplex | IncomingMessage) => Promise<T>): Promise<T> {
    const request = withGuardedFile(asked)
    const abort = new AbortController()
    const unlink = link(abort, [request.signal, closing.signal])
    const timer = startTimer(request, timeouts, (ms) => abort.abort(noAnswer(engine, request.doing, ms)))
    let leave: (() => void) | undefined
    try {
      const modem = request.unversioned === true ? bare : (await current()).modem
      if (request.isBlocking !== true) leave = await limiter.enter(abort.signal)
      return await use(await dial(modem, request, abort))
    } catch (error) {
      if (abort.signal.aborted) throw abortFailure(abort.signal.reason, request.doing)
      const failure = connectionFailure(error, engine, request.doing)
      if (isFailure(failure, 'unavailable', 'unsupported')) forget()
      throw failure
    } finally {
      leave?.()
      timer.stop()
      unlink()
      request.file?.destroy()
    }
  }

  /** An upload on which nothing moves is broken off; so is one that its sender drops half-way. */
  function withGuardedFile(request: EngineRequest): EngineRequest {
    if (request.file === undefined) return request
    const file = guardStream(request.file, {
      idle: timeouts.idle,
      signals: [],
      onIdle: () => timedOut(`Nothing moved for ${timeouts.idle / 1000} s while ${request.doing}`),
      onAbort: (reason) => abortFailure(reason, request.doing),
      onError: (error) =>
        error instanceof Failure ? error : badRequest('The upload was broken off', { cause: error }),
    })
    return { ...request, file, isBlocking: true }
  }

  function ask(request: EngineRequest): Promise<EngineAnswer> {
    return exchange(request, async (answer) => {
      const status = statusOf(answer)
      const told = await readBody(answer)
      const isFine = (status >= 200 && status < 300) || request.expect?.includes(status) === true
      if (!isFine) throw refusal(request.doing, status, told)
      const headers = answer instanceof IncomingMessage ? answer.headers : {}
      return { status, headers, body: decode(told), text: told, words: status < 300 ? '' : engineWords(told) }
    })
  }

  async function stream(request: EngineRequest, idle = timeouts.idle): Promise<Readable> {
    const answer = await exchange(request, async (head) => {
      const status = statusOf(head)
      if (status < 200 || status >= 300) throw refusal(request.doing, status, await readBody(head))
      return head
    })
    return guardStream(answer, {
      idle,
      signals: [request.signal, closing.signal],
      onIdle: () => noAnswer(engine, request.doing, idle),
      onAbort: (reason) => abortFailure(reason, request.doing),
      onError: (error) => connectionFailure(error, engine, request.doing),
    })
  }

  function hijack(request: EngineRequest): Promise<Duplex> {
    return exchange(
      { ...request, headers: { ...request.headers, Upgrade: 'tcp', Connection: 'Upgrade' } },
      async (answer) => {
        if (!(answer instanceof IncomingMessage)) return answer
        throw refusal(request.doing, statusOf(answer), await readBody(answer))
      },
    )
  }

  return {
    member: options.member,
    deployment: options.deployment,
    timeouts,
    api: async () => (await current()).api,
    ask,
    stream,
    hijack,
    forget,
    close: () => {
      closing.abort(unavailable(`The connection to member "${options.member}" is being closed`))
      endpoint.close()
    },
  }
}

function chooseApi(version: unknown, member: string): number {
  const newest = minorOf(fields(version).ApiVersion)
  const oldest = minorOf(fields(version).MinAPIVersion)
  const told = text(fields(version).Version)
  if (newest < OLDEST_API) {
    throw unsupported(
      `Docker Engine ${told} of member "${member}" is too old: API 1.${newest}, needed is 1.${OLDEST_API}`,
    )
  }
  if (oldest > NEWEST_API) {
    throw unsupported(
      `Docker Engine ${told} of member "${member}" is too new: it wants API 1.${oldest}, known is 1.${NEWEST_API}`,
    )
  }
  return Math.min(newest, NEWEST_API)
}

function minorOf(version: unknown): number {
  return Number(/^1\.(\d+)$/.exec(text(version))?.[1] ?? 0)
}

function dial(modem: Modem, request: EngineRequest, abort: AbortController): Promise<Duplex | IncomingMessage> {
  // The engine's own word would be that it lacks the end of a body.
  request.file?.once('error', (error) => abort.abort(error))
  return new Promise((resolve, reject) => {
    modem.dial(
      {
        // With the question mark dockerode appends `_query`.
        path: `${request.path}?`,
        method: request.method,
        options: { _query: request.query ?? {}, _body: request.body ?? {} },
        file: request.file,
        headers: { ...request.headers },
        hijack: request.headers?.Upgrade !== undefined,
        openStdin: request.headers?.Upgrade !== undefined,
        allowEmpty: request.headers?.Upgrade !== undefined,
        isStream: true,
        statusCodes: EVERY_STATUS,
        abortSignal: abort.signal,
      },
      (error, answer) => {
        if (answer instanceof IncomingMessage || answer instanceof Duplex) resolve(answer)
        else reject(error instanceof Error ? error : internal('Docker Engine gave no answer', { cause: error }))
      },
    )
  })
}

function statusOf(answer: Duplex | IncomingMessage): number {
  return answer instanceof IncomingMessage ? (answer.statusCode ?? 0) : 101
}

async function readBody(answer: Duplex | IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Without an encoding a response's chunks are Buffers.
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) throw internal(`Docker Engine answered more than ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function decode(body: string): unknown {
  if (body.trim() === '') return undefined
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** The call's time; that of an upload begins at its end, before it the upload's own guard watches. */
function startTimer(request: EngineRequest, timeouts: Timeouts, onEnd: (ms: number) => void): { stop(): void } {
  const ms = request.timeout ?? (request.file === undefined ? timeouts.answer : timeouts.work)
  if (ms === 0) return { stop: () => undefined }
  let timer: NodeJS.Timeout | undefined
  const start = (): void => {
    timer = setTimeout(onEnd, ms, ms)
  }
  if (request.file === undefined) start()
  else request.file.once('end', start)
  return {
    stop: () => {
      request.file?.off('end', start)
      clearTimeout(timer)
    },
  }
}

/** Aborts with the first of the signals; the returned function lets go of them. */
function link(abort: AbortController, signals: readonly (AbortSignal | undefined)[]): () => void {
  const undo = signals.map((signal) => onAbort(signal, (reason) => abort.abort(reason)))
  return () => {
    for (const off of undo) off()
  }
}

function withoutUndefined(timeouts: Partial<Timeouts>): Partial<Timeouts> {
  return Object.fromEntries(Object.entries(timeouts).filter(([, ms]) => count(ms) > 0))
}
