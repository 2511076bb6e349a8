/** An operation's record → what clients read. Times become RFC 3339. */
import { NEVER, type Requestor } from '../contract/common.ts'
import type { JobAnswer, Operation } from '../contract/operation.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { isFinal, isStep, operationStatus } from '../core/operation-states.ts'

/** LXD's operation. The secrets of a websocket are only for the one who asked for it: `viewer`. A token's is for all who may see it. */
export function toOperation(record: OperationRecord, viewer?: Requestor): Operation {
  const { status, code } = operationStatus(record)
  return {
    id: record.id,
    class: record.class,
    description: record.description,
    created_at: toTime(record.created),
    updated_at: toTime(record.updated),
    status,
    status_code: code,
    resources: record.resources,
    metadata: withProgress(record, withoutSecrets(record, viewer)),
    may_cancel: record.cancellable && !record.forward && !isFinal(record.state),
    err: record.err,
    location: 'none',
    windlass: {
      kind: record.kind,
      project: record.project,
      attempts: record.attempts,
      worker: record.worker,
      requestor: record.requestor,
      started_at: toTime(record.started),
      ended_at: toTime(record.ended),
      progress: progressOf(record),
      steps: record.notes.map((note) => note.name).filter(isStep),
      undone: record.undone,
      warnings: record.warnings,
      cancelled_by: record.cancel === null ? null : record.cancel.by,
      error_kind: record.code,
    },
  }
}

/**
 * The last write before the end told of the step before it, or there was none of a short one: a success has come all the
 * way, and what that step said of itself meanwhile is over.
 */
function progressOf({ state, progress, notes }: OperationRecord): OperationRecord['progress'] {
  if (state !== 'success') return progress
  const done = notes.map((note) => note.name).filter(isStep)
  const name = done.at(-1) ?? progress?.name
  if (name === undefined) return null
  const steps = progress?.steps ?? done.length
  return { name, step: steps, steps, percent: 100 }
}

/** The small shape for polling: queued and running are pending, cancelled is failed. */
export function toJob(record: OperationRecord): JobAnswer {
  return {
    status: isFinal(record.state) ? (record.state === 'success' ? 'done' : 'failed') : 'pending',
    entity_type: record.entity.type,
    entity_id: record.entity.id,
    error: record.state === 'failure' || record.state === 'cancelled' ? record.err || 'Operation was cancelled' : null,
  }
}

/** LXD clients print every key that ends in `_progress`; its value must be a string. */
function withProgress(record: OperationRecord, metadata: Operation['metadata']): Operation['metadata'] {
  const { progress } = record
  if (progress === null || isFinal(record.state)) return metadata
  return {
    ...metadata,
    progress: { stage: progress.name, percent: String(progress.percent), speed: '0' },
    ...(progress.text !== undefined && { [`${progress.name.replaceAll('-', '_')}_progress`]: progress.text }),
  }
}

function withoutSecrets(record: OperationRecord, viewer: Requestor | undefined): Operation['metadata'] {
  if (record.class !== 'websocket' || record.metadata === null || isSame(record.requestor, viewer))
    return record.metadata
  const { fds: _fds, secret: _secret, ...rest } = record.metadata
  return rest
}

function isSame(requestor: Requestor, viewer: Requestor | undefined): boolean {
  return viewer?.username === requestor.username && viewer.protocol === requestor.protocol
}

function toTime(milliseconds: number): string {
  return milliseconds === 0 ? NEVER : new Date(milliseconds).toISOString()
}
