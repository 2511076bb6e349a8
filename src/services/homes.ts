/** What a project's features have decided for a request must hold until it is accepted or written. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ProjectRecord } from '../contract/records.ts'
import { conflict, notFound } from '../core/failure.ts'
import type { RecordChange, RecordReader } from '../core/ports.ts'
import { hasOwn, HOMED } from '../core/project-features.ts'
import type { Kind } from '../operations/catalog.ts'
import type { Caller } from './caller.ts'
import type { Operations, Submission } from './operations.ts'
import { submitInRoom, tokenOf } from './project-room.ts'

/** The project as it is when a request begins; throws not-found. */
export async function loadProject(records: Pick<RecordReader, 'find'>, name: string): Promise<ProjectRecord> {
  const record = await records.find('project', '', name)
  if (record === undefined) throw notFound('Project not found')
  return record
}

/**
 * Belongs into the changes that are written: they are refused when the project is changed meanwhile. Throws conflict
 * where it has its images, profiles or volumes elsewhere by now than `begun` says, not-found where it is gone or renamed.
 */
export async function keepFeatures(records: Pick<RecordReader, 'get'>, begun: ProjectRecord): Promise<RecordChange[]> {
  const now = await records.get('project', begun.uuid)
  // One that has got another name is not there any more either.
  if (now?.name !== begun.name) throw notFound('Project not found')
  if (HOMED.some((noun) => hasOwn(now.config, noun) !== hasOwn(begun.config, noun)))
    throw conflict('The features of the project were changed by someone else meanwhile; try again', { retryAfter: 1 })
  return [tokenOf(now, false)]
}

/** Submits what makes an image or a volume where the project has them. */
export async function submitInHome<K extends Kind>(
  { records, operations }: { records: RecordReader; operations: Pick<Operations, 'trySubmit'> },
  caller: Caller,
  project: ProjectRecord,
  submission: Submission<K>,
): Promise<OperationRecord> {
  return submitInRoom(operations, caller, async () => ({
    ...submission,
    changes: [...(submission.changes ?? []), ...(await keepFeatures(records, project))],
  }))
}
