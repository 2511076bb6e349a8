import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type Environment, SetupError } from './host.ts'
import { type LineSink, logLine } from './log-lines.ts'

/** A process to keep running. */
export interface ChildPlan {
  /** Its name in logs and sentences. */
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: Environment
  /** How it says that it is ready: an IPC message of type `ready`, or a line of its output. */
  readonly ready: 'message' | RegExp
  /** Which lines of its output are worth showing; all where left out. */
  readonly isShown?: (line: string) => boolean
}

/** A process that is kept running. */
export interface Supervised {
  readonly name: string
  /** The message by which it said that it is ready the first time; rejects where it ends before that. */
  readonly ready: Promise<unknown>
  /** Its process now, undefined between two lives. */
  readonly pid: number | undefined
  /** SIGTERM, and SIGKILL to its whole group after `ms` milliseconds; resolves when it is gone. */
  stop(ms: number): Promise<void>
}

const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 10_000
/** A life of this length makes up for earlier crashes. */
const SOUND_LIFE_MS = 60_000
const KEPT_LINES = 20
const LAST_LINES_MS = 300

/** How long to wait before the next life after so many crashes in a row. */
export function backoffAfter(crashes: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, crashes - 1), LONGEST_BACKOFF_MS)
}

/**
 * Starts a process in a group of its own, so that a Ctrl-C of the terminal reaches only us, and starts it again with
 * growing pauses whenever it ends. One that ends before it was ever ready is not started again: that is a fault to read.
 */
export function supervise(plan: ChildPlan, sink: LineSink): Supervised {
  return new SupervisedProcess(plan, sink)
}

class SupervisedProcess implements Supervised {
  readonly #plan: ChildPlan
  readonly #sink: LineSink
  readonly #first = Promise.withResolvers<unknown>()
  readonly #recent: string[] = []
  #child: ChildProcess | undefined
  #pause: NodeJS.Timeout | undefined
  #wasReady = false
  #isStopping = false
  #crashes = 0

  constructor(plan: ChildPlan, sink: LineSink) {
    this.#plan = plan
    this.#sink = sink
    // Whoever needs the readiness awaits it; a stop before that is no unhandled rejection.
    this.#first.promise.catch(() => {})
    this.#live()
  }

  get name(): string {
    return this.#plan.name
  }

  get ready(): Promise<unknown> {
    return this.#first.promise
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async stop(ms: number): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#pause)
    this.#first.reject(new SetupError(`${this.name} was stopped before it was ready.`))
    if (this.#child !== undefined) await endChild(this.#child, ms)
  }

  #live(): void {
    const born = performance.now()
    this.#child = startChild(this.#plan, (line) => this.#take(line))
    this.#child.on('message', (message) => {
      if (isReadyMessage(message)) this.#becomeReady(message)
    })
    onceEnded(this.#child, (how) => this.#ended(how, performance.now() - born))
  }

  #take(line: string): void {
    this.#recent.push(line)
    if (this.#recent.length > KEPT_LINES) this.#recent.shift()
    if (this.#plan.isShown?.(line) ?? true) this.#sink(this.name, line)
    if (this.#plan.ready !== 'message' && this.#plan.ready.test(line)) this.#becomeReady(line)
  }

  #becomeReady(message: unknown): void {
    this.#wasReady = true
    this.#first.resolve(message)
  }

  #ended(how: string, livedMs: number): void {
    this.#child = undefined
    if (this.#isStopping) return
    if (!this.#wasReady) {
      const words = tail(this.#plan, this.#recent)
      this.#first.reject(new SetupError(`${this.name} ended before it was ready (${how}).${words}`))
      return
    }
    this.#crashes = livedMs > SOUND_LIFE_MS ? 1 : this.#crashes + 1
    const ms = backoffAfter(this.#crashes)
    this.#sink('up', logLine(40, `${this.name} ended (${how}), starting it again in ${ms} ms`))
    this.#pause = setTimeout(() => this.#live(), ms)
  }
}

function startChild(plan: ChildPlan, take: (line: string) => void): ChildProcess {
  const [program, ...args] = plan.command
  const child = spawn(program, args, {
    detached: true,
    env: { ...plan.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(plan.ready === 'message' ? (['ipc'] as const) : [])],
  })
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) eachLine(stream, take)
  return child
}

function eachLine(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', take)
}

/** After `exit` its last lines are awaited, but not for ever: a grandchild may hold its output open. */
function onceEnded(child: ChildProcess, then: (how: string) => void): void {
  child.once('error', (error) => {
    if (child.pid === undefined) then(error.message)
  })
  child.once('exit', (code, signal) => {
    const settled = Promise.withResolvers<void>()
    const grace = setTimeout(settled.resolve, LAST_LINES_MS)
    child.once('close', settled.resolve)
    void settled.promise.then(() => {
      clearTimeout(grace)
      return then(signal ?? `exit ${code}`)
    })
  })
}

async function endChild(child: ChildProcess, ms: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const deadline = setTimeout(() => killGroup(child, 'SIGKILL'), ms)
  child.kill('SIGTERM')
  await ended
  clearTimeout(deadline)
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    // Its group has its number, since it was started detached.
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // It ended by itself in this very moment.
  }
}

function isReadyMessage(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready'
}

/** Lines that were not shown when they came, for the sentence that says why it failed. */
function tail(plan: ChildPlan, lines: readonly string[]): string {
  const unseen = plan.isShown === undefined ? [] : lines.filter((line) => plan.isShown?.(line) === false)
  return unseen.length === 0 ? ' Its own words are above.' : ` Its last words:\n${unseen.join('\n')}`
}
