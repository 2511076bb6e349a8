import type { RecordChange } from '../core/ports.ts'
import { ownerOf, scopeOf } from '../core/scope.ts'

/** Record changes as the scripts take them: JSON of a list whose leaves are texts, and `rev` a small number. */
export function encodeChanges(changes: RecordChange[]): string {
  return JSON.stringify(toScriptChanges(changes))
}

/** The same as a value, for an envelope. */
export function toScriptChanges(changes: RecordChange[]) {
  return changes.map((change) => {
    if (change.change !== 'put') return change
    const { noun, record } = change
    const { uuid, rev, name } = record
    const places = { scope: scopeOf(noun, record), owner: ownerOf(noun, record) }
    return { change: 'put', noun, uuid, rev, ...places, name, body: JSON.stringify(record) }
  })
}
