/**
 * What one turn writes about its operation. Everything goes through the fence: a turn that is no longer the
 * operation's own is told so by the first write and ends there.
 */
import type { OperationRecord, OperationState, StepNote } from '../src/contract/operation-record.ts'
import { conflict } from '../src/core/failure.ts'
import type { Clock, CourseNote, Ended, Ending, Hold, OperationStore } from '../src/core/ports.ts'

/** Thrown to leave a turn that is no longer ours. Nothing may be written after it. */
export class Abandoned extends Error {}

export type Course = ReturnType<typeof createCourse>

/** A change of an operation's state that this worker has written. */
export interface Transition {
  operation: string
  kind: string
  state: OperationState
  /** Until a turn began: since the operation was accepted. At its end: since the turn began. Milliseconds. */
  ms: number
  /** Why it failed or was cancelled. */
  reason?: string
}

export interface CourseDeps {
  store: OperationStore
  clock: Clock
  onTransition(transition: Transition): void
  /** Something of this turn has been written; what was read before may be otherwise now. */
  onWritten(): void
}

export function createCourse({ store, clock, ...told }: CourseDeps, hold: Hold, operation: OperationRecord) {
  const began = clock.now()
  const notes = new Map(operation.notes.map((note) => [note.name, note]))
  const warnings = [...operation.warnings]
  let { forward, metadata } = operation
  let cancelled = operation.cancel !== null

  /** Notes that go with the next write. */
  let waiting: StepNote[] = []

  async function write(note: Omit<CourseNote, 'at' | 'notes'>): Promise<void> {
    const carried = [...waiting]
    const noted = await store.note(hold, { ...note, notes: carried, at: clock.now() })
    told.onWritten()
    if (noted === 'fenced') throw new Abandoned(hold.id)
    if (noted === 'changed') throw conflict('The record was changed by someone else meanwhile')
    waiting = waiting.filter((one) => !carried.includes(one))
    if (noted === 'cancel') cancelled = true
  }

  /** Keeps what a step left for the ones after it and for a later turn. */
  function keep(name: string, data: unknown): Promise<void> {
    remember(name, data)
    return write({})
  }

  /** The same, with the next write. */
  function remember(name: string, data: unknown): void {
    const note: StepNote = { name, at: clock.now(), attempt: turn, ...(data === undefined ? {} : { data }) }
    notes.set(name, note)
    waiting.push(note)
  }

  /** Writes records; from here on the operation only goes forward. */
  async function pass(changes: Pick<CourseNote, 'changes' | 'observed'>): Promise<void> {
    await write(changes)
    if (!cancelled) forward = true
  }

  async function end(ending: Omit<Ending, 'at' | 'warnings' | 'notes'>): Promise<Exclude<Ended, 'fenced'>> {
    const at = clock.now()
    const ended = await store.end(hold, { ...ending, warnings, notes: waiting, at })
    if (ended === 'fenced') throw new Abandoned(hold.id)
    if (ended === 'ended') told.onTransition(describe(operation, ending, at - began))
    if (ended === 'cancelling') cancelled = true
    return ended
  }

  told.onTransition(describe(operation, { state: 'running', err: '' }, began - operation.created))
  const turn = (hold.epoch - 1) * 1_000_000 + hold.attempt
  return {
    /** Which turn at the operation this is, from 1. Unlike the record's attempts it counts those ended by a drain. */
    turn,
    warnings,
    has: (name: string) => notes.has(name),
    dataOf: (name: string) => notes.get(name)?.data,
    keep,
    remember,
    pass,
    end,
    /** Only asks whether the turn is still ours, and whether a cancel came. */
    check: () => write({}),
    show: (progress: CourseNote['progress']) => write({ progress }),
    isForward: () => forward,
    isCancelled: () => cancelled && !forward,
    cancel: () => void (cancelled = true),
    metadata: () => metadata,
    tell: (more: Record<string, unknown>) => {
      metadata = { ...metadata, ...more }
    },
  }
}

function describe(
  { id, kind }: OperationRecord,
  { state, err }: { state: OperationState; err: string },
  ms: number,
): Transition {
  return { operation: id, kind, state, ms, ...(err !== '' && { reason: err }) }
}
