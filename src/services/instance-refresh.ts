/** LXD's refresh of a copy: it becomes what its source is by now, and stays itself. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, SnapshotRecord } from '../contract/records.ts'
import { badRequest, notImplemented } from '../core/failure.ts'
import { checkAction } from '../core/instance-status.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import type { Caller } from './caller.ts'
import { instanceResources } from './instance-urls.ts'
import { on } from './instance-operations.ts'
import type { InstanceViews } from './instance-views.ts'
import { devicesNow, withMounts } from './mounts.ts'
import type { Operations } from './operations.ts'
import { asSeen } from './part-claims.ts'
import { submitInRoom } from './project-room.ts'

export interface InstanceRefreshDeps {
  records: RecordReader
  views: InstanceViews
  operations: Operations
  clock: Clock
}

export type InstanceRefresh = ReturnType<typeof createInstanceRefresh>

/** A copy that is there, and what it is a copy of. */
export interface Pair {
  copy: InstanceRecord
  source: InstanceRecord
  /** Its snapshots are left alone. */
  instanceOnly: boolean
}

export function createInstanceRefresh({ records, views, operations, clock }: InstanceRefreshDeps) {
  /** Of a stopped one. Its snapshots become the source's: told apart, as by LXD, by name and time of creation. */
  return async (caller: Caller, { copy, source, instanceOnly }: Pair): Promise<OperationRecord> => {
    if (copy.uuid === source.uuid) throw badRequest('An instance cannot be refreshed from itself')
    if (copy.member !== source.member) throw notImplemented('Copying between engines is not possible')
    const { status } = await views.get(caller, copy)
    checkAction('refresh', status.status)
    const [own, theirs] = instanceOnly
      ? [[], []]
      : await Promise.all([records.list('snapshot', copy.uuid), records.list('snapshot', source.uuid)])
    const lacked = theirs.filter((one) => !own.some((other) => isSame(one, other)))
    const gone = own.filter((one) => !theirs.some((other) => isSame(one, other)))
    const submission = on(copy, 'instance.refresh', {
      instance: copy.uuid,
      source: source.uuid,
      snapshots: lacked.map((snapshot) => ({
        from: snapshot.uuid,
        record: { ...snapshot, uuid: clock.uuid(), rev: 0, project: copy.project, instance: copy.uuid },
      })),
      gone: gone.map(({ uuid }) => uuid),
    })
    return submitInRoom(operations, caller, async () =>
      withMounts(records, copy.project, await devicesNow(records, copy), {
        ...submission,
        resources: instanceResources(copy, source),
        // One that has been started meanwhile is not refreshed.
        ...asSeen('instance', copy),
        // A running source is frozen while it is read: nobody else may change it meanwhile.
        busy: [...submission.busy, { key: `instance:${source.uuid}` as const, mode: 'own' as const, action: 'copy' }],
      }),
    )
  }
}

function isSame(one: SnapshotRecord, other: SnapshotRecord): boolean {
  return one.name === other.name && one.created_at === other.created_at
}
