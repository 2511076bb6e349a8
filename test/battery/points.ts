/** All points of all kinds, from the catalogue and the handlers themselves. */
import { CATALOG, type WorkerKind } from '../../src/operations/catalog.ts'
import { handlers } from '../../workers/handlers/all.ts'

export interface Point {
  kind: WorkerKind
  /** `<kind>.<step>.before|after|undo`, `<kind>.end.before|after`. */
  name: string
}

/** Those that are performed by workers. */
export const KINDS = Object.keys(handlers) as WorkerKind[] // its own keys

/** Points on the way to success. */
export function forwardPoints(kind: WorkerKind): Point[] {
  const steps = handlers[kind].steps.flatMap(({ name }) => [`${name}.before`, `${name}.after`])
  return [...steps, 'end.before', 'end.after'].map((at) => ({ kind, name: `${kind}.${at}` }))
}

/** Points on the way back; only of kinds that can be cancelled. */
export function undoPoints(kind: WorkerKind): Point[] {
  if (!CATALOG[kind].cancellable) return []
  const steps = handlers[kind].steps.flatMap(({ name, undo }) => (undo === undefined ? [] : [`${name}.undo`]))
  return [...steps, 'fail.before', 'fail.after'].map((at) => ({ kind, name: `${kind}.${at}` }))
}
