/** What is said of an operation kind in the catalogue. */
import Type, { type TSchema } from 'typebox'

export interface OperationSpec {
  /** LXD's class: how a client follows it. */
  class: 'task' | 'websocket' | 'token'
  /** Where it runs: a worker's job, the API process that accepted it, or nowhere: it lies in the store until it is used. */
  place: 'worker' | 'api' | 'store'
  /** LXD's description, word for word. */
  description: string
  /** LXD's word in "Instance is busy running a … operation". */
  action: string
  /**
   * Of an instance: `own` keeps every other change of it away until the end; `none` goes on beside them, and what takes
   * its container away ends it, as LXD ends a command with its instance.
   */
  claim: 'own' | 'none'
  input: TSchema
  /** Metadata of a finished one. */
  metadata: TSchema
  cancellable: boolean
  /** What `/jobs/<id>` calls the thing it is about. */
  entity:
    | 'instance'
    | 'snapshot'
    | 'backup'
    | 'image'
    | 'network'
    | 'volume'
    | 'volume-snapshot'
    | 'volume-backup'
    | 'project'
    | 'certificate'
    | 'server'
  /** LXD's lifecycle action on success. */
  lifecycle: string | undefined
}

/** Metadata that nobody reads anything of. */
export const none = Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])
/** A job of the workers. */
export const task = { class: 'task', place: 'worker', claim: 'own', cancellable: true, metadata: none } as const
