import type { Noun } from '../contract/records.ts'
import type { BusyClaim, RecordChange } from '../core/ports.ts'

/** For a change of a part, such as a backup: what it is of may go on with everything that does not take it away. */
export function partClaims(whole: BusyClaim['key'], part: BusyClaim['key'], action: string): BusyClaim[] {
  return [
    { key: whole, mode: 'use', action },
    { key: part, mode: 'own', action },
  ]
}

/** A record as somebody has seen it. */
export interface Seen {
  uuid: string
  rev: number
}

/** Belongs into what is submitted: refused as changed where the record is not as it was seen any more, or another one goes by its name. */
export function asSeen(noun: Noun, seen: Seen | undefined): { changes?: RecordChange[] } {
  return seen === undefined ? {} : { changes: [{ change: 'keep', noun, uuid: seen.uuid, rev: seen.rev }] }
}
