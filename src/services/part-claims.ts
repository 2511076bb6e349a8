import type { BusyClaim } from '../core/ports.ts'

/** For a change of a part, such as a backup: what it is of may go on with everything that does not take it away. */
export function partClaims(whole: BusyClaim['key'], part: BusyClaim['key'], action: string): BusyClaim[] {
  return [
    { key: whole, mode: 'use', action },
    { key: part, mode: 'own', action },
  ]
}
