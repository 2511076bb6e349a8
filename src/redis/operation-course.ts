/** What happens to an operation after it was accepted: the scripts that hold a fence, and cancel. */
import { randomUUID } from 'node:crypto'
import type { Cancel, StepNote } from '../contract/operation-record.ts'
import type { Begun, CourseNote, Ended, Ending, Hold, Noted, OperationStore } from '../core/ports.ts'
import { encodeChanges } from './changes.ts'
import { toFields, toWord } from './decode.ts'
import { toOperation } from './decode-operation.ts'
import { type Database, runScript } from './scripts.ts'

type Course = Pick<OperationStore, 'begin' | 'note' | 'end' | 'cancel' | 'raiseEpoch'>

/** Room for attempts between two epochs. */
const EPOCH = 1_000_000
/** The error of an operation that was cancelled before it began. */
const CANCELLED = 'Operation cancelled'

export function createCourse(database: Database): Course {
  async function begin(hold: Hold, worker: string, at: number): Promise<Begun> {
    const answer = await runScript(database, 'begin', [...fenceOf(hold), worker, String(at)])
    const [outcome, fields, secret]: unknown[] = Array.isArray(answer) ? answer : []
    if (outcome !== 'begun') return { outcome: toWord(['final', 'fenced', 'unknown'], outcome) }
    const operation = toOperation(toFields(fields), hold.id)
    return { outcome, operation, secret: typeof secret === 'string' ? secret : undefined }
  }

  async function note(hold: Hold, written: CourseNote): Promise<Noted> {
    const args = [...fenceOf(hold), encodeNote(written), encodeChanges(written.changes ?? [])]
    return toWord(['written', 'cancel', 'fenced', 'changed'], await runScript(database, 'note', args))
  }

  async function end(hold: Hold, ending: Ending): Promise<Ended> {
    const args = [...fenceOf(hold), encodeEnding(ending), encodeChanges(ending.changes)]
    return toWord(['ended', 'cancelling', 'fenced', 'changed', 'final'], await runScript(database, 'end', args))
  }

  async function cancel(id: string, asked: Cancel) {
    const event = { action: 'operation-cancelled', source: `/1.0/operations/${id}`, context: {}, requestor: asked.by }
    const args = [id, JSON.stringify(asked), String(asked.at), CANCELLED, JSON.stringify(event)]
    return toWord(['cancelled', 'asked', 'refused', 'final', 'unknown'], await runScript(database, 'cancel', args))
  }

  async function raiseEpoch(id: string, at: number): Promise<Hold | undefined> {
    const token = randomUUID()
    const epoch = await runScript(database, 'raise-epoch', [id, token, String(at)])
    return typeof epoch === 'number' ? { id, epoch, attempt: 0, token } : undefined
  }

  return { begin, note, end, cancel, raiseEpoch }
}

/** Id, fence and token: the first arguments of every script that a worker calls. */
export function fenceOf(hold: Hold): string[] {
  return [hold.id, String(hold.epoch * EPOCH + hold.attempt), hold.token]
}

function encodeNote(written: CourseNote): string {
  const { notes, progress, metadata, observed, at } = written
  return JSON.stringify({
    at: String(at),
    notes: encodeNotes(notes ?? []),
    progress: progress && JSON.stringify(progress),
    metadata: metadata && JSON.stringify(metadata),
    observed: JSON.stringify(observed ?? []),
  })
}

function encodeNotes(notes: StepNote[]) {
  return notes.map((note) => ({ id: `${note.attempt}:${note.name}`, text: JSON.stringify(note) }))
}

function encodeEnding(ending: Ending): string {
  return JSON.stringify({
    at: String(ending.at),
    state: ending.state,
    err: ending.err,
    code: ending.code,
    metadata: JSON.stringify(ending.metadata),
    warnings: JSON.stringify(ending.warnings),
    undone: JSON.stringify(ending.undone),
    notes: encodeNotes(ending.notes),
    lifecycle: ending.lifecycle.map((event) => ({ project: event.project, text: JSON.stringify(event) })),
    observed: JSON.stringify(ending.observed),
  })
}
