/** All points of all kinds, from the catalogue and the handlers themselves. */
import { CATALOG, type Kind } from '../../src/operations/catalog.ts'
import { handlers } from '../../workers/handlers/all.ts'

export interface Point {
  kind: Kind
  /** `<kind>.<step>.before|after|undo`, `<kind>.end.before|after`. */
  name: string
}

export const KINDS = Object.keys(CATALOG) as Kind[] // its own keys

/** Points on the way to success. */
export function forwardPoints(kind: Kind): Point[] {
  const steps = handlers[kind].steps.flatMap(({ name }) => [`${name}.before`, `${name}.after`])
  return [...steps, 'end.before', 'end.after'].map((at) => ({ kind, name: `${kind}.${at}` }))
}

/** Points on the way back; only of kinds that can be cancelled. */
export function undoPoints(kind: Kind): Point[] {
  if (!CATALOG[kind].cancellable) return []
  const steps = handlers[kind].steps.flatMap(({ name, undo }) => (undo === undefined ? [] : [`${name}.undo`]))
  return [...steps, 'fail.before', 'fail.after'].map((at) => ({ kind, name: `${kind}.${at}` }))
}
