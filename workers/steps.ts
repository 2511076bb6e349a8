/** How an operation kind is written down: named steps that may run twice, each with its undo, and what its end records. */
import type { Requestor } from '../src/contract/common.ts'
import type { OperationRecord } from '../src/contract/operation-record.ts'
import type { AnyRecord } from '../src/contract/records.ts'
import type { Clock, Observed, RecordChange, RecordReader } from '../src/core/ports.ts'
import type { ContainerDetail, ObjectRole, OwnLabels } from '../src/core/container.ts'
import type { Engine } from '../src/core/engine.ts'
import type { Sweep } from '../src/sweep/sweep.ts'
import type { InputOf, Kind } from '../src/operations/catalog.ts'

export interface Context<K extends Kind> {
  readonly operation: OperationRecord
  readonly input: InputOf<K>
  readonly requestor: Requestor
  readonly engine: Engine
  /** The store itself, never a mirror; between two writes of the turn the same question is asked once. */
  readonly records: RecordReader
  readonly clock: Clock
  readonly deployment: string
  /** Aborts when the turn ends for any reason: cancelled, lock lost, draining. Every engine call takes it. */
  readonly signal: AbortSignal
  /** Which turn at the operation this is, from 1; each has a higher number than the one before. */
  readonly attempt: number
  /** Whether the running step may have begun before: in an earlier turn, or in this one before the engine was away. */
  readonly again: boolean
  /** What the step of this name left, in this or an earlier attempt. The reader knows the step's type. */
  note(step: string): unknown
  /** Labels for an object made by the step that is running. */
  labels(about: { role: ObjectRole; uuid: string; project: string; origin?: unknown }): OwnLabels
  /** Shown while the step runs; percent of this step. Written at most twice a second. */
  progress(text: string, percent: number): void
  /** Told in the result of a successful operation. */
  warn(sentence: string): void
  /** Metadata of an operation that fails; one that succeeds has those of its outcome. */
  tell(metadata: Record<string, unknown>): void
  /**
   * The point of no return: writes these records under the fence. From here on the operation only goes forward.
   * Repeating it with the same records is no error.
   */
  forward(changes: RecordChange[], observed?: Observed[]): Promise<void>
  /** Looks for what crashes have left, and mends it. */
  readonly sweep: Sweep
  /** A secret given with the request, decoded JSON, or undefined. */
  readonly secret: unknown
}

export interface Step<K extends Kind> {
  /** Unique within the kind; part of labels and crash points. */
  name: string
  /** Left out when this says false. Must give the same answer in each attempt. */
  when?(context: Context<K>): boolean
  /** Finds its own earlier work before doing it again. What it returns is kept as the step's note. */
  run(context: Context<K>): Promise<unknown>
  /**
   * Only for a step that leaves nothing to undo. True where a later turn comes to the same by running it again,
   * whatever the steps after it have begun until then: such a note needs no write of its own.
   */
  lasts?(data: unknown): boolean
  /** It changes nothing before a write of its own under the fence; that takes the note of the step before it along. */
  writesFirst?: true
  /** Takes the step's effect back, also of a run that was cut off anywhere. Says what it undid, or nothing. */
  undo?(context: Context<K>): Promise<string | undefined>
}

export interface Outcome {
  changes: RecordChange[]
  metadata?: Record<string, unknown>
  /** Of the lifecycle event. */
  context?: Record<string, unknown>
  /** Another lifecycle action than the catalogue's. */
  action?: string
  /** What else happened with it, after the first: lifecycle actions without a context. */
  also?: string[]
  source?: string
  /** Of the lifecycle event, where it is another one than the operation's. */
  project?: string
  observed?: Observed[]
}

export interface Handler<K extends Kind> {
  steps: Step<K>[]
  /** Reads what the records are now and says what they become; runs again when one of them changed meanwhile. */
  finish(context: Context<K>): Promise<Outcome>
}

/** The end of a rename: the record as it is called from now on, and the last part of its URL with it. */
export function renamed({ operation }: Pick<Context<Kind>, 'operation'>, now: AnyRecord, oldName: string): Outcome {
  return {
    changes: [{ change: 'put', ...now }],
    context: { old_name: oldName },
    source: operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(now.record.name)),
  }
}

/** The container as a change left it, for the event that ends the operation. */
export function observe(member: string, detail: ContainerDetail): Observed {
  return { member, container: detail.id, summary: detail }
}

export function vanished(member: string, container: string): Observed {
  return { member, container, summary: undefined }
}
