/** Processes in containers, with their streams. */
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream'
import type { Execs, ExecSpec, RunningExec } from '../../core/container.ts'
import { type Failure, isFailure, unavailable } from '../../core/failure.ts'
import { Demux } from './demux.ts'
import { abortFailure } from './errors.ts'
import { createExecDeaths, type ExecDeaths } from './exec-deaths.ts'
import { MARKER, signalMarked, type Tools } from './exec-kill.ts'
import { inspectExec, KILLED, type Start, startExec } from './exec-start.ts'
import type { Fields } from './read.ts'
import { onAbort } from './stream-guard.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** A sequence nobody types: the engine's own, ^P^Q, would cut off whoever edits a shell's history. */
export const DETACH_KEYS = Array.from({ length: 12 }, () => 'ctrl-_').join(',')
const END_OF_INPUT = '\u0004'
/** From here on a terminal's size can be given at once. */
const API_WITH_CONSOLE_SIZE = 42
/** What an orphan that holds the output may still say: so many quiet milliseconds, so many bytes. */
const QUIET = 300
const MAX_AFTER_END = 8 * 1024 * 1024

/** Execs on one engine. */
export function createExecs(wire: Wire, tools: Tools | undefined): Execs {
  const deaths = createExecDeaths(wire)
  return {
    run: async (spec, signal) => {
      const start = await startExec(wire, spec.container, makeBody(spec, await wire.api()), signal)
      if ('failure' in start) return neverStarted(start)
      return running({ wire, deaths, tools, spec }, start, signal)
    },
    alive: (container, marker, user, signal) =>
      signalMarked(wire, { container, marker, user, killSignal: undefined }, tools, signal),
    killMarked: async (...[container, marker, user, killSignal, signal]) => {
      await signalMarked(wire, { container, marker, user, killSignal }, tools, signal)
    },
  }
}

function makeBody(spec: ExecSpec, api: number): Fields {
  const environment = Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`)
  const hasSize = spec.tty && api >= API_WITH_CONSOLE_SIZE && spec.width > 0 && spec.height > 0
  return {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: spec.tty,
    Cmd: spec.command,
    Env: [...environment, `${MARKER}=${spec.marker}`],
    DetachKeys: DETACH_KEYS,
    ...(spec.user === '' ? {} : { User: spec.user }),
    ...(spec.cwd === '' ? {} : { WorkingDir: spec.cwd }),
    ...(hasSize ? { ConsoleSize: [spec.height, spec.width] } : {}),
  }
}

function neverStarted({ code, failure }: { code: number; failure: string }): RunningExec {
  const stdin = new Writable({ write: (_chunk, _encoding, done) => done() })
  const exit = Promise.resolve({ code, failure })
  return {
    stdin,
    stdout: Readable.from([], { objectMode: false }),
    stderr: Readable.from([], { objectMode: false }),
    resize: async () => undefined,
    signal: async () => undefined,
    exit,
  }
}

interface Context {
  wire: Wire
  deaths: ExecDeaths
  tools: Tools | undefined
  spec: ExecSpec
}

async function running(
  context: Context,
  start: Extract<Start, { socket: Duplex }>,
  signal?: AbortSignal,
): Promise<RunningExec> {
  const { wire, tools, spec } = context
  const outputs = openOutputs(start, spec.tty)
  const end = endOf(context, start, outputs.isLost)
  const kill = async (killSignal: string, { alone } = { alone: false }): Promise<void> => {
    await signalMarked(wire, { ...spec, killSignal, alone }, tools)
  }
  const unlink = onAbort(signal, (reason) => {
    const failure = abortFailure(reason, 'running a command')
    end.giveUp(failure)
    outputs.destroy(failure)
    void kill('KILL').catch(() => undefined)
  })
  const resize = async (width: number, height: number): Promise<void> => {
    const request = { doing: 'resizing a terminal', method: 'POST', path: route`/exec/${start.id}/resize` } as const
    // A process that has just ended has no terminal any more.
    await wire.ask({ ...request, query: { h: height, w: width }, expect: [400, 404, 409, 500] })
  }
  const exit = end.code.then((code) => ({ code, failure: undefined }))
  exit
    .then(outputs.finish, outputs.destroy)
    .finally(unlink)
    .catch(() => undefined)
  outputs.onEnd(end.check)
  if (spec.tty && spec.width > 0 && spec.height > 0) await resize(spec.width, spec.height)
  const stdin = openInput(start.socket, spec.tty)
  return { stdin, stdout: outputs.stdout, stderr: outputs.stderr, resize, signal: kill, exit }
}

/** A terminal has no half-closed state: its end of input is a character. */
function openInput(socket: Duplex, tty: boolean): Writable {
  // Input to a process that has ended goes nowhere, which is no error of who writes it.
  const stdin = new Writable({
    write: (chunk, _encoding, done) => void (socket.writable ? socket.write(chunk, () => done()) : done()),
    final: (done) => {
      if (!socket.writable) done()
      else if (tty) socket.write(END_OF_INPUT, () => done())
      else socket.end(() => done())
    },
  })
  stdin.on('error', () => undefined)
  return stdin
}

interface Outputs {
  stdout: Readable
  stderr: Readable
  /** The connection broke before the stream's end. */
  isLost: () => boolean
  /** Calls back when nothing more can come. */
  onEnd: (act: () => void) => void
  /** The process has ended: passes on what is still under way, then ends both. */
  finish: () => void
  destroy: (failure: Error) => void
}

function openOutputs({ socket, early }: { socket: Duplex; early: Buffer }, tty: boolean): Outputs {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  for (const output of [stdout, stderr]) output.on('error', () => undefined)
  const sink = tty ? stdout : new Demux({ stdout, stderr })
  sink.on('error', () => socket.destroy())
  if (tty) stderr.end()
  let isLost = false
  let after = { bytes: 0, last: 0 }
  socket.on('data', (chunk: Buffer) => {
    after = { bytes: after.bytes + chunk.length, last: performance.now() }
  })
  const isOver = early.length > 0 || socket.readableEnded
  socket.on('error', () => {
    isLost = true
  })
  socket.once('close', () => {
    isLost ||= !socket.readableEnded
    if (!sink.writableEnded) sink.end()
  })
  if (isOver) sink.end(early)
  else socket.pipe(sink)

  const finish = (): void => {
    after = { bytes: 0, last: performance.now() }
    const timer = setInterval(() => {
      // Quiet counts only while whoever reads keeps up; else there is something left to be read.
      if (stdout.writableNeedDrain || stderr.writableNeedDrain) after.last = performance.now()
      const isQuiet = performance.now() - after.last > QUIET || after.bytes > MAX_AFTER_END
      if (!isQuiet && !socket.destroyed && !socket.readableEnded) return
      clearInterval(timer)
      socket.destroy()
    }, QUIET / 3)
  }
  return {
    stdout,
    stderr,
    isLost: () => isLost,
    onEnd: (act) => {
      if (isOver) act()
      else for (const name of ['end', 'close']) socket.once(name, act)
    },
    finish,
    destroy: (failure) => {
      socket.destroy()
      stdout.destroy(failure)
      stderr.destroy(failure)
    },
  }
}

interface End {
  code: Promise<number>
  /** Asks the engine whether it has ended. */
  check: () => void
  giveUp: (failure: Failure) => void
}

/** Engines say so, too, of a process that lives on when the connection to it was lost. */
const PERHAPS = 126

function endOf(context: Context, { id, code }: Extract<Start, { socket: Duplex }>, isLost: () => boolean): End {
  if (code === undefined || code === PERHAPS) return followEnd(context, id, isLost)
  return { code: Promise.resolve(code), check: () => undefined, giveUp: () => undefined }
}

/** Neither a stream's end (a process can close its output) nor its going on (an orphan can hold it) tells the end. */
function followEnd({ wire, deaths, spec }: Context, id: string, isLost: () => boolean): End {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let isAsking = false
  let isToAsk = false
  let isOver = false
  const unfollow = deaths.follow({ id, container: spec.container }, () => void check())
  const over = (settle: () => void): void => {
    if (isOver) return
    isOver = true
    unfollow()
    settle()
  }
  async function check(): Promise<void> {
    isToAsk = true
    if (isAsking || isOver) return
    isAsking = true
    isToAsk = false
    try {
      const state = await inspectExec(wire, id)
      if (state === undefined) over(() => resolve(KILLED))
      else if (state.code === PERHAPS && isLost())
        over(() => reject(unavailable('The connection to the process was lost')))
      else if (state.code !== undefined) over(() => resolve(state.code ?? KILLED))
    } catch (error) {
      // Asked again with the next event, or after a while.
      if (!isFailure(error)) over(() => reject(error))
    } finally {
      isAsking = false
    }
    // The answer may be older than what made somebody ask meanwhile.
    if (isToAsk) void check()
  }
  // Whoever drops the exec may not wait for its exit.
  promise.catch(() => undefined)
  return { code: promise, check: () => void check(), giveUp: (failure) => over(() => reject(failure)) }
}
