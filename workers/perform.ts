/**
 * One job: take the fence, run the steps, write the end. The only place in a worker that catches. A turn whose lock is
 * lost stops where it is and writes nothing more; whoever took over finds what was done by labels and notes.
 */
import type { OperationRecord, Progress, StepNote } from '../src/contract/operation-record.ts'
import { cancelled, conflict, internal, isFailure, toFailure, type Failure } from '../src/core/failure.ts'
import type { Clock, CourseNote, Ending, Hold, OperationStore, RecordReader, Turn } from '../src/core/ports.ts'
import type { Engine } from '../src/core/engine.ts'
import { CATALOG, type Kind } from '../src/operations/catalog.ts'
import { decodeJob, decodeTicket, type Job } from '../src/operations/job.ts'
import type { Context, Handler, Outcome, Step } from './steps.ts'

export interface PerformDeps {
  store: OperationStore
  records: RecordReader
  engines: Map<string, Engine>
  handlers: { [K in Kind]: Handler<K> }
  clock: Clock
  deployment: string
  /** This worker's name, shown in the record. */
  worker: string
  /** Resolves when the engine answers again, rejects when the signal aborts. */
  engineBack(engine: Engine, signal: AbortSignal): Promise<void>
  /** Named points before and after every step; inert unless a test environment names one. */
  point(name: string): void
  onError(failure: unknown, operation: string): void
}

/** Attempts that end by a crash; a drain does not count (it is seen by `begin`). */
const MOST_ATTEMPTS = 10

/** Thrown to leave a turn that is no longer ours. Nothing may be written after it. */
class Abandoned extends Error {}

export function createPerform(deps: PerformDeps) {
  return async function perform(data: unknown, turn: Turn): Promise<void> {
    const ticket = decodeTicket(data)
    const hold: Hold = { id: ticket.id, epoch: ticket.epoch, attempt: turn.attempt, token: turn.token }
    const begun = await deps.store.begin(hold, deps.worker, deps.clock.now())
    if (begun.outcome !== 'begun') return
    const run = new Run(deps, hold, turn, begun.operation)
    try {
      await run.toTheEnd(begun.secret)
    } catch (thrown) {
      if (thrown instanceof Abandoned || turn.signal.aborted) return
      deps.onError(thrown, ticket.id)
      throw thrown
    }
  }
}

/** One turn at one operation. */
class Run {
  readonly #deps: PerformDeps
  readonly #hold: Hold
  readonly #turn: Turn
  readonly #operation: OperationRecord
  readonly #notes: Map<string, StepNote>
  readonly #warnings: string[]
  #forward: boolean
  #cancelled: boolean
  #metadata: OperationRecord['metadata']
  #step = ''
  #shown = 0

  constructor(deps: PerformDeps, hold: Hold, turn: Turn, operation: OperationRecord) {
    this.#deps = deps
    this.#hold = hold
    this.#turn = turn
    this.#operation = operation
    this.#notes = new Map(operation.notes.map((note) => [note.name, note]))
    this.#warnings = [...operation.warnings]
    this.#metadata = operation.metadata
    this.#forward = operation.forward
    this.#cancelled = operation.cancel !== null
  }

  async toTheEnd(secret: string | undefined): Promise<void> {
    let job: Job
    try {
      job = decodeJob(this.#operation)
    } catch (thrown) {
      return this.#fail(toFailure(thrown), [])
    }
    const engine = this.#deps.engines.get(this.#operation.member)
    if (engine === undefined)
      return this.#fail(internal(`This worker does not serve member ${this.#operation.member}`), [])
    await this.#perform(job, engine, secret)
  }

  async #perform<K extends Kind>(job: Job<K>, engine: Engine, secret: string | undefined): Promise<void> {
    const handler = this.#deps.handlers[job.kind] as unknown as Handler<K> // the map is total; the index loses K
    const context = this.#context<K>(job.input, engine, secret)
    const begun: Step<K>[] = []
    try {
      if (this.#operation.attempts > MOST_ATTEMPTS) throw internal(`Gave up after ${MOST_ATTEMPTS} attempts`)
      for (const [at, step] of handler.steps.entries()) {
        // Asked when its turn comes: it may depend on what an earlier step found.
        if (step.when !== undefined && !step.when(context)) continue
        begun.push(step)
        await this.#runStep(step, at, handler.steps.length, context)
      }
      this.#refuseIfCancelled()
      await this.#succeed(handler, context)
    } catch (thrown) {
      this.#leaveIfLost(thrown)
      if (this.#forward) return this.#endForward(handler, context, toFailure(thrown))
      const undone = await this.#undo(begun, context)
      await this.#fail(
        this.#cancelled ? cancelled('Operation was cancelled', { cause: thrown }) : toFailure(thrown),
        undone,
      )
    }
  }

  async #runStep<K extends Kind>(step: Step<K>, at: number, of: number, context: Context<K>): Promise<void> {
    this.#refuseIfCancelled()
    if (this.#notes.has(step.name)) return
    const { id, kind } = this.#operation
    this.#step = step.name
    this.#deps.point(`${kind}.${step.name}.before`)
    const data = await this.#whenEngineIsBack(() => step.run(context), context)
    this.#deps.point(`${kind}.${step.name}.after`)
    if (this.#turn.signal.aborted && !this.#cancelled) throw new Abandoned(id)
    const note: StepNote = {
      name: step.name,
      at: this.#deps.clock.now(),
      attempt: context.attempt,
      ...(data === undefined ? {} : { data }),
    }
    this.#notes.set(step.name, note)
    // The last step needs no note: the end follows at once, and running it again is harmless.
    if (at + 1 < of) await this.#write({ note, progress: progressOf(step.name, at, of, 100), at: note.at })
  }

  /** An engine that is away is waited for; a step may run again since it finds its own work. */
  async #whenEngineIsBack<K extends Kind, T>(run: () => Promise<T>, context: Context<K>): Promise<T> {
    for (;;) {
      try {
        return await run()
      } catch (thrown) {
        if (!isFailure(thrown, 'unavailable') || context.signal.aborted) throw thrown
        await this.#deps.engineBack(context.engine, context.signal)
      }
    }
  }

  async #succeed<K extends Kind>(handler: Handler<K>, context: Context<K>): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      const outcome = await this.#whenEngineIsBack(() => handler.finish(context), context)
      this.#deps.point(`${this.#operation.kind}.end.before`)
      const ended = await this.#end({ state: 'success', err: '', code: '', undone: [], ...this.#told(outcome) })
      if (ended === 'ended' || ended === 'final') return
      if (ended === 'cancelling') {
        this.#cancelled = true
        this.#refuseIfCancelled()
      }
    }
    throw conflict('The record was changed again and again by others')
  }

  /** After the point of no return nothing is undone: what a later step could not do is told, and left to the sweeper. */
  async #endForward<K extends Kind>(handler: Handler<K>, context: Context<K>, failure: Failure): Promise<void> {
    this.#warnings.push(failure.message)
    const outcome = await handler.finish(context)
    await this.#end({ state: 'success', err: '', code: '', undone: [], ...this.#told(outcome) })
  }

  async #undo<K extends Kind>(steps: Step<K>[], context: Context<K>): Promise<string[]> {
    const undone: string[] = []
    // The turn's signal may be what ended the work; undoing needs calls that still go through.
    const undoing = { ...context, signal: AbortSignal.timeout(120_000) }
    for (const step of steps.toReversed()) {
      this.#step = step.name
      this.#deps.point(`${this.#operation.kind}.${step.name}.undo`)
      try {
        const sentence = await step.undo?.(undoing)
        if (sentence !== undefined) undone.push(sentence)
      } catch (thrown) {
        this.#leaveIfLost(thrown)
        this.#warnings.push(`Undoing ${step.name} failed: ${toFailure(thrown).message}`)
      }
    }
    return undone
  }

  async #fail(failure: Failure, undone: string[]): Promise<void> {
    if (failure.code === 'internal') this.#deps.onError(failure.cause ?? failure, this.#operation.id)
    const state = this.#cancelled ? 'cancelled' : 'failure'
    await this.#end({
      state,
      err: failure.message,
      code: failure.code,
      undone,
      metadata: this.#metadata,
      changes: [],
      lifecycle: [],
      observed: [],
    })
  }

  async #end(ending: Omit<Ending, 'at' | 'warnings'>): Promise<'ended' | 'final' | 'cancelling' | 'changed'> {
    const ended = await this.#deps.store.end(this.#hold, {
      ...ending,
      warnings: this.#warnings,
      at: this.#deps.clock.now(),
    })
    if (ended === 'fenced') throw new Abandoned(this.#hold.id)
    return ended
  }

  async #write(note: CourseNote): Promise<void> {
    const noted = await this.#deps.store.note(this.#hold, note)
    if (noted === 'fenced') throw new Abandoned(this.#hold.id)
    if (noted === 'changed') throw conflict('The record was changed by someone else meanwhile')
    if (noted === 'cancel') this.#cancelled = true
  }

  #told(outcome: Outcome): Pick<Ending, 'metadata' | 'changes' | 'lifecycle' | 'observed'> {
    const { kind, requestor, project, entity } = this.#operation
    const action = outcome.action ?? CATALOG[kind as Kind].lifecycle // decoded before any step ran
    const source = outcome.source ?? entity.url
    return {
      metadata: outcome.metadata ?? this.#operation.metadata,
      changes: outcome.changes,
      observed: outcome.observed ?? [],
      lifecycle: action === undefined ? [] : [{ action, source, context: outcome.context ?? {}, requestor, project }],
    }
  }

  #refuseIfCancelled(): void {
    if (this.#turn.signal.aborted && this.#turn.signal.reason !== 'cancelled') throw new Abandoned(this.#hold.id)
    if (this.#turn.signal.aborted) this.#cancelled = true
    if (this.#cancelled && !this.#forward) throw cancelled('Operation was cancelled')
  }

  #leaveIfLost(thrown: unknown): void {
    if (thrown instanceof Abandoned) throw thrown
    if (!this.#turn.signal.aborted) return
    if (this.#turn.signal.reason !== 'cancelled') throw new Abandoned(this.#hold.id)
    this.#cancelled = !this.#forward
  }

  #context<K extends Kind>(input: Context<K>['input'], engine: Engine, secret: string | undefined): Context<K> {
    const { records, clock, deployment } = this.#deps
    const operation = this.#operation
    return {
      operation,
      input,
      engine,
      records,
      clock,
      deployment,
      requestor: operation.requestor,
      signal: this.#turn.signal,
      attempt: operation.attempts,
      secret: secret === undefined ? undefined : JSON.parse(secret),
      note: (step) => this.#notes.get(step)?.data,
      labels: (about) => ({
        deployment,
        role: about.role,
        uuid: about.uuid,
        project: about.project,
        operation: operation.id,
        step: this.#step,
        origin: about.origin === undefined ? '' : JSON.stringify(about.origin),
      }),
      progress: (text, percent) => this.#show(text, percent),
      warn: (sentence) => void this.#warnings.push(sentence),
      tell: (metadata) => {
        this.#metadata = { ...this.#metadata, ...metadata }
      },
      forward: async (changes, observed = []) => {
        if (this.#forward) return
        await this.#write({ changes, observed, at: clock.now() })
        this.#refuseIfCancelled()
        this.#forward = true
      },
    }
  }

  #show(text: string, percent: number): void {
    const at = this.#deps.clock.now()
    if (at - this.#shown < 500) return
    this.#shown = at
    const progress: Progress = { ...progressOf(this.#step, 0, 1, percent), text }
    // Progress that does not arrive harms nothing; a lost fence is seen by the next write that matters.
    void this.#write({ progress, at }).catch(() => undefined)
  }
}

function progressOf(name: string, at: number, of: number, percent: number): Progress {
  return { name, step: at + 1, steps: of, percent: Math.round(((at + percent / 100) / of) * 100) }
}
