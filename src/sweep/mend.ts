/** What a sweep finds, and how it is mended. Looking and mending are apart, so that a dry run is the same look. */

import type { WarningRecord } from '../contract/records.ts'

/** One thing that a crash has left. */
export interface Mend {
  /**
   * `queue`: into the queue again. `end`: the operation, as failed. `free`: a name or a key that nobody holds. `remove`:
   * from the engine. `rebuild`: the record, from labels. `tell`: as a warning, and nothing else.
   */
  action: 'queue' | 'end' | 'free' | 'remove' | 'rebuild' | 'tell'
  /** What it is about, for people: `operation 0194…`, `container 3f…`. */
  object: string
  /** Why it is to be done. */
  reason: string
  /** Of `rebuild`: the record's. */
  uuid?: string
  /** Of `tell`: the warning's key. */
  trouble?: string
  /** Does it, unless it is no longer so: then false. */
  mend(): Promise<boolean>
}

/** Trouble, by a key under which the same trouble is found again. */
export interface Trouble {
  key: string
  type: string
  severity: WarningRecord['severity']
  message: string
  project?: string
  entityUrl?: string
}

/** Where trouble is noted. */
export interface Warn {
  raise(trouble: Trouble): Promise<void>
  resolve(key: string): Promise<void>
}
