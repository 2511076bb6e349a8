/** What a step is given. */
import type { OperationRecord, Progress } from '../src/contract/operation-record.ts'
import type { Engine } from '../src/core/engine.ts'
import type { Clock, RecordReader } from '../src/core/ports.ts'
import type { InputOf, Kind } from '../src/operations/catalog.ts'
import type { Sweep } from '../src/sweep/sweep.ts'
import type { Course } from './course.ts'
import type { Context } from './steps.ts'

export interface ContextDeps<K extends Kind> {
  records: RecordReader
  clock: Clock
  deployment: string
  sweep: Sweep
  operation: OperationRecord
  course: Course
  input: InputOf<K>
  engine: Engine
  signal: AbortSignal
  /** JSON. */
  secret: string | undefined
  /** The running step's name. */
  step(): string
  isAgain(): boolean
  /** Throws where a point of no return could not be passed. */
  afterForward(): void
}

/** Milliseconds between two writes of progress. */
const SHOWN_EVERY = 500

export function createContext<K extends Kind>(deps: ContextDeps<K>): Context<K> {
  const { operation, course, clock, deployment, secret } = deps
  let shown = 0

  function show(text: string, percent: number): void {
    const at = clock.now()
    if (at - shown < SHOWN_EVERY) return
    shown = at
    // Progress that does not arrive harms nothing; a lost fence is seen by the next write that matters.
    course.show({ ...progressOf(deps.step(), 0, 1, percent), text }).catch(() => undefined)
  }

  return {
    operation,
    input: deps.input,
    engine: deps.engine,
    records: deps.records,
    clock,
    deployment,
    requestor: operation.requestor,
    signal: deps.signal,
    attempt: course.turn,
    get again() {
      return deps.isAgain()
    },
    secret: secret === undefined ? undefined : JSON.parse(secret),
    note: course.dataOf,
    sweep: deps.sweep,
    labels: (about) => ({
      deployment,
      role: about.role,
      uuid: about.uuid,
      project: about.project,
      operation: operation.id,
      step: deps.step(),
      origin: about.origin === undefined ? '' : JSON.stringify(about.origin),
    }),
    progress: show,
    warn: (sentence) => void course.warnings.push(sentence),
    tell: course.tell,
    forward: async (changes, observed = []) => {
      if (course.isForward()) return
      await course.pass({ changes, observed })
      deps.afterForward()
    },
  }
}

export function progressOf(name: string, at: number, of: number, percent: number): Progress {
  return { name, step: at + 1, steps: of, percent: Math.round(((at + percent / 100) / of) * 100) }
}
