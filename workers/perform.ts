/**
 * One job: take the fence, run the steps, write the end. The only place in a worker that catches. A turn whose lock is
 * lost stops where it is and writes nothing more; whoever took over finds what was done by labels and notes.
 */
import type { OperationRecord, Progress } from '../src/contract/operation-record.ts'
import { cancelled, conflict, Failure, internal, isFailure, toFailure, type FailureCode } from '../src/core/failure.ts'
import type { Ending, Hold, Observed, RecordReader, Turn } from '../src/core/ports.ts'
import type { Engine } from '../src/core/engine.ts'
import { UNDO } from '../src/core/operation-states.ts'
import { CATALOG, isWorkerKind, type Kind, type WorkerKind } from '../src/operations/catalog.ts'
import { decodeJob, decodeTicket, type Job } from '../src/operations/job.ts'
import type { Sweep } from '../src/sweep/sweep.ts'
import { observeSubject } from './containers.ts'
import { createContext, progressOf } from './context.ts'
import { Abandoned, createCourse, type Course, type CourseDeps } from './course.ts'
import { watchFence } from './fence-watch.ts'
import { readingOnce, type ReadingOnce } from './reading-once.ts'
import type { Context, Handler, Outcome, Step } from './steps.ts'

export interface PerformDeps extends Omit<CourseDeps, 'onWritten'> {
  records: RecordReader
  engines: Map<string, Engine>
  handlers: { [K in WorkerKind]: Handler<K> }
  deployment: string
  sweep: Sweep
  /** This worker's name, shown in the record. */
  worker: string
  /**
   * Resolves when the engine answers, rejects when the signal aborts; whether it had been away. `tries` is how often in
   * a row it has not: the more often, the longer it takes.
   */
  engineBack(engine: Engine, signal: AbortSignal, tries: number): Promise<boolean>
  /** Named points before and after every step; inert unless a test environment names one. */
  point(name: string, operation: OperationRecord): Promise<void> | void
  onError(failure: unknown, operation: string): void
}

/** Attempts that end by a crash; a drain does not count (it is seen by `begin`). */
const MOST_ATTEMPTS = 10
/** Times in a row that something fails as if the engine were away although it is there: something else is. */
const MOST_TRIES = 10
const SUCCESS: Pick<Ending, 'state' | 'err' | 'code' | 'undone'> = { state: 'success', err: '', code: '', undone: [] }
const NOTHING_DONE = { changes: [], lifecycle: [] }

export function createPerform(deps: PerformDeps) {
  return async function perform(data: unknown, turn: Turn): Promise<void> {
    const ticket = decodeTicket(data)
    const hold: Hold = { id: ticket.id, epoch: ticket.epoch, attempt: turn.attempt, token: turn.token }
    const begun = await deps.store.begin(hold, deps.worker, deps.clock.now())
    if (begun.outcome !== 'begun') return
    const { operation, secret } = begun
    const reading = readingOnce(deps.records)
    const course = createCourse({ ...deps, onWritten: reading.renew }, hold, operation)
    const run = new Run(deps, { turn, operation, secret, course, reading })
    try {
      await run.toTheEnd()
    } catch (thrown) {
      if (thrown instanceof Abandoned || isLost(turn.signal)) return
      deps.onError(thrown, ticket.id)
      throw thrown
    }
  }
}

/** Aborted for any reason but a cancel, which is the operation's own business. */
function isLost({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason !== 'cancelled'
}

interface Begun {
  turn: Turn
  operation: OperationRecord
  secret: string | undefined
  course: Course
  reading: ReadingOnce
}

/** One turn at one operation. */
class Run {
  readonly #deps: PerformDeps
  readonly #turn: Turn
  readonly #operation: OperationRecord
  readonly #secret: string | undefined
  readonly #course: Course
  readonly #reading: ReadingOnce
  #step = ''
  /** Whether the running step may have begun before: in an earlier turn, or before the engine was away. */
  #again = false

  constructor(deps: PerformDeps, { turn, operation, secret, course, reading }: Begun) {
    this.#deps = deps
    this.#turn = turn
    this.#operation = operation
    this.#secret = secret
    this.#course = course
    this.#reading = reading
  }

  async toTheEnd(): Promise<void> {
    let job: Job
    try {
      job = decodeJob(this.#operation)
    } catch (thrown) {
      return this.#fail(toFailure(thrown), [])
    }
    const engine = this.#deps.engines.get(this.#operation.member)
    if (engine === undefined)
      return this.#fail(internal(`This worker does not serve member ${this.#operation.member}`), [])
    await this.#perform(job, engine)
  }

  async #perform<K extends Kind>(job: Job<K>, engine: Engine): Promise<void> {
    const { kind }: { kind: Kind } = job
    if (!isWorkerKind(kind)) return this.#fail(internal(`Workers do not perform ${kind}`), [])
    const handler = this.#deps.handlers[kind] as unknown as Handler<K> // the map is total; the index loses K
    const make = (signal: AbortSignal) => this.#context<K>(job.input, engine, signal)
    const context = make(this.#turn.signal)
    const begun: Step<K>[] = []
    try {
      await this.#runSteps(handler, context, begun)
      await this.#succeed(handler, context)
    } catch (thrown) {
      this.#leaveIfLost(thrown)
      if (this.#course.isForward()) return this.#endForward(handler, context, toFailure(thrown))
      await this.#takeBack(begun, make, thrown)
    }
  }

  /** `begun` gets every step that has to be undone if this fails. */
  async #runSteps<K extends Kind>(handler: Handler<K>, context: Context<K>, begun: Step<K>[]): Promise<void> {
    // The step after the last note may have been cut off anywhere in an earlier turn.
    this.#again = this.#course.turn > 1
    for (const [at, step] of handler.steps.entries()) {
      // Asked when its turn comes: it may depend on what an earlier step found.
      if (step.when !== undefined && !step.when(context)) continue
      if (this.#course.has(step.name)) begun.push(step)
      else {
        if (this.#again) begun.push(step)
        // Behind a look that left no note an earlier turn may have begun more, which is to be undone as well.
        if (step.lasts === undefined || !this.#again) this.#refuseToGoOn()
        if (!this.#again) begun.push(step)
        await this.#runStep(step, context)
        const next = handler.steps.slice(at + 1).find((later) => later.when === undefined || later.when(context))
        await this.#keep(step, progressOf(step.name, at, handler.steps.length, 100), next)
        this.#again &&= step.lasts !== undefined
      }
    }
    this.#refuseToGoOn()
  }

  async #runStep<K extends Kind>(step: Step<K>, context: Context<K>): Promise<void> {
    this.#step = step.name
    await this.#point(`${step.name}.before`)
    this.#course.remember(step.name, await this.#whenEngineIsBack(() => step.run(context), context))
    await this.#point(`${step.name}.after`)
    if (isLost(this.#turn.signal)) throw new Abandoned(this.#operation.id)
  }

  /** A note goes with the end where that follows, or with the next step's own write: running the step again is harmless. */
  async #keep<K extends Kind>(step: Step<K>, progress: Progress, next: Step<K> | undefined): Promise<void> {
    const { dataOf, show } = this.#course
    if (next === undefined || next.writesFirst === true || step.lasts?.(dataOf(step.name)) === true) return
    await show(progress)
  }

  /** An engine that is away is waited for, however long; a step may run again since it finds its own work. */
  async #whenEngineIsBack<K extends Kind, T>(run: () => Promise<T>, context: Context<K>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await run()
      } catch (thrown) {
        if (!isFailure(thrown, 'unavailable') || context.signal.aborted || tries > MOST_TRIES) throw thrown
        if (await this.#deps.engineBack(context.engine, context.signal, tries)) tries = 0
        this.#reading.renew()
        this.#again = true
      }
    }
  }

  async #succeed<K extends Kind>(handler: Handler<K>, context: Context<K>): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      this.#reading.renew()
      const outcome = await this.#whenEngineIsBack(() => handler.finish(context), context)
      await this.#point('end.before')
      const ended = await this.#course.end({ ...SUCCESS, ...this.#told(outcome) })
      if (ended === 'ended' || ended === 'final') return this.#point('end.after')
      this.#refuseToGoOn()
    }
    throw conflict('The record was changed again and again by others')
  }

  /** After the point of no return nothing is undone: what a later step could not do is told, and left to the sweeper. */
  async #endForward<K extends Kind>(handler: Handler<K>, context: Context<K>, failure: Failure): Promise<void> {
    const course = this.#course
    course.warnings.push(failure.message)
    try {
      await this.#succeed(handler, context)
    } catch (thrown) {
      this.#leaveIfLost(thrown)
      this.#deps.onError(thrown, this.#operation.id)
      await course.end({ ...SUCCESS, ...this.#told({ changes: [] }) })
    }
  }

  /** That it is being undone is written down first: a later turn must not build on what this one has taken away. */
  async #takeBack<K extends Kind>(
    begun: Step<K>[],
    make: (signal: AbortSignal) => Context<K>,
    thrown: unknown,
  ): Promise<void> {
    const course = this.#course
    const failure = toFailure(thrown)
    if (!course.has(UNDO)) {
      if (failure.code === 'internal') this.#deps.onError(failure.cause ?? failure, this.#operation.id)
      await course.keep(UNDO, { code: failure.code, message: failure.message })
    }
    const watch = watchFence(course, this.#turn.signal)
    try {
      const context = make(watch.signal)
      const undone = await this.#undo(begun, context)
      // Who reads of the end sees the instance as it is then, as after a success.
      await this.#fail(failure, undone, begun.length === 0 ? [] : await observeSubject(context))
    } finally {
      watch.close()
    }
  }

  /** What an earlier turn has undone is not undone again, but told. */
  async #undo<K extends Kind>(steps: Step<K>[], context: Context<K>): Promise<string[]> {
    const course = this.#course
    const undone: string[] = []
    for (const step of steps.toReversed()) {
      this.#step = step.name
      const name = `${UNDO} ${step.name}`
      if (step.undo !== undefined && !course.has(name)) {
        await this.#point(`${step.name}.undo`)
        const sentence = await this.#undoStep(() => step.undo?.(context), context)
        await course.keep(name, sentence)
      }
      const sentence = course.dataOf(name)
      if (typeof sentence === 'string') undone.push(sentence)
    }
    return undone
  }

  async #undoStep<K extends Kind>(
    undo: () => Promise<string | undefined> | undefined,
    context: Context<K>,
  ): Promise<string | undefined> {
    try {
      return await this.#whenEngineIsBack(async () => undo(), context)
    } catch (thrown) {
      if (thrown instanceof Abandoned || isLost(context.signal)) throw new Abandoned(this.#operation.id)
      this.#course.warnings.push(`Undoing ${this.#step} failed: ${toFailure(thrown).message}`)
      return undefined
    }
  }

  async #fail(failure: Failure, undone: string[], observed: Observed[] = []): Promise<void> {
    const course = this.#course
    const isCancelled = course.isCancelled()
    const told = isCancelled ? cancelled('Operation was cancelled') : failure
    await this.#point('fail.before')
    await course.end({
      ...NOTHING_DONE,
      observed,
      state: isCancelled ? 'cancelled' : 'failure',
      err: told.message,
      code: told.code,
      undone,
      metadata: course.metadata(),
    })
    await this.#point('fail.after')
  }

  #told(outcome: Outcome): Pick<Ending, 'metadata' | 'changes' | 'lifecycle' | 'observed'> {
    const { kind, requestor, entity } = this.#operation
    const project = outcome.project ?? this.#operation.project
    const action = outcome.action ?? CATALOG[kind as Kind].lifecycle // decoded before any step ran
    const source = outcome.source ?? entity.url
    const tell = (told: string, context = {}) => ({ action: told, source, context, requestor, project })
    return {
      metadata: outcome.metadata ?? this.#operation.metadata,
      changes: outcome.changes,
      observed: outcome.observed ?? [],
      lifecycle: [
        ...(action === undefined ? [] : [tell(action, outcome.context)]),
        ...(outcome.also ?? []).map((next) => tell(next)),
      ],
    }
  }

  /** Throws where no further step may begin. */
  #refuseToGoOn(): void {
    const course = this.#course
    const { signal } = this.#turn
    if (isLost(signal)) throw new Abandoned(this.#operation.id)
    if (signal.aborted) course.cancel()
    const undoing = course.dataOf(UNDO) as { code: FailureCode; message: string } | undefined // our own note
    if (undoing !== undefined) throw new Failure(undoing.code, undoing.message)
    if (course.isCancelled()) throw cancelled('Operation was cancelled')
    if (this.#operation.attempts > MOST_ATTEMPTS) throw internal(`Gave up after ${MOST_ATTEMPTS} attempts`)
  }

  #leaveIfLost(thrown: unknown): void {
    if (thrown instanceof Abandoned) throw thrown
    const { signal } = this.#turn
    if (isLost(signal)) throw new Abandoned(this.#operation.id)
    if (signal.aborted) this.#course.cancel()
  }

  #point(name: string): Promise<void> | void {
    return this.#deps.point(`${this.#operation.kind}.${name}`, this.#operation)
  }

  #context<K extends Kind>(input: Context<K>['input'], engine: Engine, signal: AbortSignal): Context<K> {
    return createContext<K>({
      ...this.#deps,
      records: this.#reading.records,
      operation: this.#operation,
      course: this.#course,
      input,
      engine,
      signal,
      secret: this.#secret,
      step: () => this.#step,
      isAgain: () => this.#again,
      afterForward: () => this.#refuseToGoOn(),
    })
  }
}
