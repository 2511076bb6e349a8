/** One request and its answer over dockerode's modem, which only dials: statuses, times and errors are ours. */
import type Docker from 'dockerode'
import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { badRequest, Failure, internal, timedOut } from '../../core/failure.ts'
import { nodeHttp } from '../../node-http.ts'
import { abortFailure, connectionFailure, type EngineAddress, isLost, noAnswer } from './errors.ts'
import type { Limiter } from './limiter.ts'
import type { EngineRequest, Timeouts } from './requests.ts'
import { guardStream, onAbort } from './stream-guard.ts'

export type Modem = Docker['modem']

/** The head of an answer: a response, or the raw connection after an upgrade. */
export type Head = IncomingMessage | Duplex

/** What all calls to one engine share. */
export interface Line {
  engine: EngineAddress
  timeouts: Timeouts
  limiter: Limiter
  /** Aborts when the engine is let go of. */
  closing: AbortSignal
}

const MAX_BODY = 256 * 1024 * 1024
// dockerode takes a status for an error unless it is listed.
const EVERY_STATUS = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true]))

/** Sends the request; `use` gets the answer's head before the call's time, place and signal are let go. */
export async function exchange<T>(
  line: Line,
  asked: EngineRequest,
  choose: () => Promise<Modem>,
  use: (head: Head) => Promise<T>,
): Promise<T> {
  const request = withGuardedFile(line, asked)
  const abort = new AbortController()
  const unlink = [request.signal, line.closing].map((signal) => onAbort(signal, (reason) => abort.abort(reason)))
  const stopTimer = startTimer(line, request, abort)
  let leave: (() => void) | undefined
  try {
    const modem = await choose()
    if (request.isBlocking !== true) leave = await line.limiter.enter(abort.signal)
    if (request.isChange === true) unlink[0]?.()
    return await use(await dialTwice(modem, request, abort))
  } catch (error) {
    if (abort.signal.aborted) throw abortFailure(abort.signal.reason, request.doing)
    throw connectionFailure(error, line.engine, request.doing)
  } finally {
    leave?.()
    stopTimer()
    for (const off of unlink) off()
    request.file?.destroy()
  }
}

/** An upload on which nothing moves is broken off; so is one that its sender drops half-way. */
function withGuardedFile(line: Line, request: EngineRequest): EngineRequest {
  if (request.file === undefined) return request
  const { idle } = line.timeouts
  const file = guardStream(request.file, {
    idle,
    signals: [],
    onIdle: () => timedOut(`Nothing moved for ${idle / 1000} s while ${request.doing}`),
    onAbort: (reason) => abortFailure(reason, request.doing),
    onError: (error) => (error instanceof Failure ? error : badRequest('The upload was broken off', { cause: error })),
  })
  return { ...request, file, isBlocking: true }
}

/** The call's time; that of an upload begins at its end, before it the upload's own guard watches. */
function startTimer(line: Line, request: EngineRequest, abort: AbortController): () => void {
  const { file } = request
  const ms = request.timeout ?? (file === undefined ? line.timeouts.answer : line.timeouts.change)
  if (ms === 0) return () => undefined
  let timer: NodeJS.Timeout | undefined
  const start = (): void => {
    timer = setTimeout(() => abort.abort(noAnswer(line.engine, request.doing, ms)), ms)
  }
  if (file === undefined) start()
  else file.once('end', start)
  return () => {
    file?.off('end', start)
    clearTimeout(timer)
  }
}

/** A kept connection that the engine has closed is found dead by the first bytes: what only reads is sent once more. */
async function dialTwice(modem: Modem, request: EngineRequest, abort: AbortController): Promise<Head> {
  try {
    return await dial(modem, request, abort)
  } catch (error) {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead || abort.signal.aborted || !isLost(error)) throw error
    return dial(modem, request, abort)
  }
}

function dial(modem: Modem, request: EngineRequest, abort: AbortController): Promise<Head> {
  // The engine's own word would be that it lacks the end of a body.
  request.file?.once('error', (error) => abort.abort(error))
  const isUpgrade = request.headers?.Upgrade !== undefined
  const options = {
    // Behind a question mark dockerode appends `_query`.
    path: request.query === undefined ? request.path : `${request.path}?`,
    method: request.method,
    options: { _query: request.query ?? {}, _body: request.body ?? {} },
    file: request.file,
    headers: { ...request.headers },
    hijack: isUpgrade,
    openStdin: isUpgrade,
    allowEmpty: isUpgrade,
    isStream: true,
    statusCodes: EVERY_STATUS,
    abortSignal: abort.signal,
  }
  return new Promise((resolve, reject) => {
    modem.dial(options, (error, answer) => {
      if (answer instanceof nodeHttp.IncomingMessage || answer instanceof Duplex) resolve(answer)
      else reject(error ?? internal('Docker Engine gave no answer'))
    })
  })
}

/** A head's status; 101 for an upgraded connection. */
export function statusOf(head: Head): number {
  return head instanceof nodeHttp.IncomingMessage ? (head.statusCode ?? 0) : 101
}

/** A head's headers. */
export function headersOf(head: Head): IncomingMessage['headers'] {
  return head instanceof nodeHttp.IncomingMessage ? head.headers : {}
}

/** The whole body; what is larger than any answer can be is broken off. */
export async function readBody(head: Head): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Without an encoding a response's chunks are Buffers.
  for await (const chunk of head as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) throw internal(`Docker Engine answered more than ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
