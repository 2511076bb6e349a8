/** Starting a process in a container, and learning whether it started. */
import { PassThrough, type Duplex, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { NO_DIRECTORY } from '../../core/exec-spec.ts'
import { isFailure, timedOut } from '../../core/failure.ts'
import { Demux } from './demux.ts'
import { says } from './errors.ts'
import { count, fields, type Fields, required } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/**
 * What an exec came to. `early` is output that was read while it was not clear what it is, `code` that of a process
 * which was found to have ended.
 */
export type Start =
  | { id: string; socket: Duplex; early: Buffer; code: number | undefined }
  | { id: string; code: number; failure: string }

/** An exec as the engine knows it; undefined when its container has stopped or is gone. */
export interface ExecState {
  running: boolean
  pid: number
  /** Undefined while it runs, and before. */
  code: number | undefined
}

/** Milliseconds a process may take from the start call until it is there. */
const STARTED_WITHIN = 60_000
/** The code of a process whose container was stopped under it. */
export const KILLED = 137

/** Creates an exec with this body and starts it. That it could not be started is a result, no Failure. */
export async function startExec(wire: Wire, container: string, body: Fields, signal?: AbortSignal): Promise<Start> {
  const tty = body.Tty === true
  const size = body.ConsoleSize === undefined ? {} : { ConsoleSize: body.ConsoleSize }
  const request = { doing: `running a command in container ${container}`, method: 'POST', signal } as const
  let id = ''
  let socket: Duplex
  try {
    const created = await wire.ask({ ...request, path: route`/containers/${container}/exec`, body })
    id = required(fields(created.body).Id, "the new exec's id")
    const path = route`/exec/${id}/start`
    socket = await wire.hijack({ ...request, path, body: { Detach: false, Tty: tty, ...size } })
  } catch (error) {
    // Newer engines look the user up before they start anything.
    const isRefusal = isFailure(error, 'bad-request') && (id !== '' || says(error.message, ...REFUSALS))
    if (isRefusal) return { id, code: 126, failure: error.message }
    throw error
  }
  try {
    const state = await untilStarted(wire, { id, socket }, signal)
    if (state === undefined) return { id, code: KILLED, failure: 'The container has stopped' }
    if (state.pid > 0 || state.running) return { id, socket, early: Buffer.alloc(0), code: state.code }
    return await judge({ id, socket, code: state.code ?? 126 }, tty)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** `GET /exec/{id}/json`. */
export async function inspectExec(wire: Wire, id: string, signal?: AbortSignal): Promise<ExecState | undefined> {
  const request = { doing: 'reading an exec', method: 'GET', path: route`/exec/${id}/json` } as const
  const answer = await wire.ask({ ...request, signal, expect: [404, 409] })
  if (answer.status >= 300) return undefined
  const it = fields(answer.body)
  const running = it.Running === true
  return { running, pid: count(it.Pid), code: running || it.ExitCode == null ? undefined : count(it.ExitCode) }
}

/** Milliseconds within which hardly a process starts, and between two looks after that: the longer it takes, the more. */
const FIRST_LOOK = 40
const pauseAfter = (waited: number): number => Math.max(10, Math.min(waited / 4, 50))

/**
 * The engine accepts the start before there is a process: wait for a pid, or for an end without one. What comes over the
 * connection tells that it is worth a look; a process may also say nothing for long.
 */
async function untilStarted(
  wire: Wire,
  { id, socket }: { id: string; socket: Duplex },
  signal?: AbortSignal,
): Promise<ExecState | undefined> {
  const began = performance.now()
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  // Takes nothing away from whoever reads it later.
  socket.once('readable', tell)
  try {
    for (let wait = FIRST_LOOK, isTold = false; ; wait = pauseAfter(performance.now() - began)) {
      const waited = delay(wait, undefined, signal === undefined ? {} : { signal })
      if (isTold) await waited
      else isTold = await Promise.race([waited.then(() => false), told.then(() => true)])
      const state = await inspectExec(wire, id, signal)
      if (state === undefined || state.pid > 0 || state.code !== undefined) return state
      if (performance.now() - began > STARTED_WITHIN) throw timedOut('The command did not start in time')
    }
  } finally {
    socket.off('readable', tell)
  }
}

/**
 * An end without a pid: the process never was, and what the stream holds is the engine's explanation; or an engine has
 * forgotten the pid of a short one, and it is output.
 */
async function judge(ended: { id: string; socket: Duplex; code: number }, tty: boolean): Promise<Start> {
  const early = await buffer(ended.socket)
  const words = (tty ? early.toString() : await bodiesOf(early)).trim()
  const isRefusal = [126, 127, 128].includes(ended.code) && says(words, ...REFUSALS)
  if (!isRefusal) return { ...ended, early }
  const failure = says(words, 'chdir to cwd') ? NO_DIRECTORY : words
  return { id: ended.id, code: shellCode(words, ended.code), failure }
}

const REFUSALS = [
  'runtime exec failed',
  'exec failed',
  'unable to start container process',
  'unable to find user',
  'unable to find group',
  'no matching entries',
]

/** 127 and 126 as a shell says them, whatever the engine's version says. */
export function shellCode(words: string, code: number): number {
  if (says(words, 'executable file not found', 'no such file')) return 127
  return says(words, 'permission denied') ? 126 : code
}

async function bodiesOf(frames: Buffer): Promise<string> {
  const merged = new PassThrough()
  Readable.from([frames], { objectMode: false })
    .pipe(new Demux({ stdout: merged, stderr: merged }))
    .on('error', (error) => merged.destroy(error))
  return (await buffer(merged)).toString()
}

/** Runs a short command to its end, output and code. */
export async function runShortly(
  wire: Wire,
  container: string,
  { command, user }: { command: readonly string[]; user: string },
  signal?: AbortSignal,
): Promise<{ code: number; output: string }> {
  const body = { AttachStdout: true, AttachStderr: true, Cmd: command, ...(user === '' ? {} : { User: user }) }
  const start = await startExec(wire, container, body, signal)
  if ('failure' in start) return { code: start.code, output: start.failure }
  const deadline = AbortSignal.timeout(wire.timeouts.answer)
  const drop = (): void => void start.socket.destroy(timedOut(`A command in container ${container} did not end`))
  deadline.addEventListener('abort', drop, { once: true })
  try {
    const output = start.early.length > 0 ? start.early : await buffer(start.socket)
    const state = await inspectExec(wire, start.id, signal)
    return { code: state?.code ?? KILLED, output: await bodiesOf(output) }
  } finally {
    deadline.removeEventListener('abort', drop)
    start.socket.destroy()
  }
}
