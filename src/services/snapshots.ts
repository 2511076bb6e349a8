import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, SnapshotRecord } from '../contract/records.ts'
import type { SnapshotsPost } from '../contract/snapshot.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { badRequest, notFound } from '../core/failure.ts'
import { checkAction } from '../core/instance-status.ts'
import { parseSnapshotName, snapshotNumberedName } from '../core/names.ts'
import type { Clock, RecordChange, RecordReader } from '../core/ports.ts'
import { expiryAfter, parseExpiry } from '../core/times.ts'
import { requireAllowed } from './allowances.ts'
import { requireRole, type Caller } from './caller.ts'
import type { Drafts } from './drafts.ts'
import { on, requireOwn } from './instance-operations.ts'
import { snapshotResources, snapshotUrl } from './instance-urls.ts'
import { usesOf, type Leases } from './leases.ts'
import type { InstanceViews, InstanceView, Where } from './instance-views.ts'
import { withMounts, withProfiles } from './mounts.ts'
import type { Operations } from './operations.ts'
import { asSeen, type Seen } from './part-claims.ts'
import { submitInRoom, type ProjectRoom } from './project-room.ts'
import { asAt } from './used-by.ts'

export interface SnapshotsDeps {
  records: RecordReader
  views: InstanceViews
  operations: Operations
  drafts: Drafts
  leases: Leases
  room: ProjectRoom
  clock: Clock
}

export type Snapshots = ReturnType<typeof createSnapshots>

const alreadyExists = (name: string) =>
  `Failed creating instance snapshot record "${name}": Add snapshot info to the database: This "instances_snapshots" entry already exists`

export function createSnapshots({ records, views, operations, drafts, leases, room, clock }: SnapshotsDeps) {
  /** `once`: names the occasion where a repeat is not to make another one. */
  async function create(caller: Caller, where: Where, body: SnapshotsPost, once?: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    if (body.stateful === true) throw badRequest('Stateful snapshots are not possible on Docker Engine')
    const view = await views.get(caller, where)
    requireOwn(view)
    checkAction('snapshot', view.status.status)
    await requireAllowed(records, where.project, 'snapshot')
    const record = snapshotOf(view, body)
    return operations.submit(caller, {
      ...on(view.record, 'snapshot.create', { instance: view.record.uuid, record }),
      ...about(view.record, record),
      names: [{ noun: 'snapshot', scope: view.record.uuid, name: record.name }],
      taken: alreadyExists(record.name),
      ...(once !== undefined && { once }),
    })
  }

  function snapshotOf({ record, config, snapshots }: InstanceView, body: SnapshotsPost): SnapshotRecord {
    const now = new Date(clock.now())
    const others = snapshots.map(({ name }) => name)
    const name = body.name || snapshotNumberedName(config['snapshots.pattern'] ?? '', others, now)
    const { uuid, rev: _rev, name: _name, container: _container, last_used_at: _used, ...rest } = record
    const { power: _power, told: _told, ...kept } = rest
    return {
      ...kept,
      rev: 0,
      uuid: clock.uuid(),
      name: parseSnapshotName(name),
      instance: uuid,
      created_at: now.toISOString(),
      // What the instance says holds for those who say nothing; the zero time is never, in LXD too.
      expires_at:
        body.expires_at == null ? expiryAfter(now, config['snapshots.expiry'] ?? '') : parseExpiry(body.expires_at),
      size: -1,
      volumes: [],
    }
  }

  /** Only the expiry of a snapshot can be changed. */
  async function update(
    caller: Caller,
    where: Where,
    name: string,
    change: { expires_at: string | null | undefined; ifMatch: string | undefined },
  ): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { view, snapshot } = await get(caller, where, name)
    checkIfMatch(change.ifMatch, etagOf(snapshot.uuid, snapshot.rev))
    const next = { ...snapshot, expires_at: parseExpiry(change.expires_at) }
    const input = { instance: snapshot.instance, snapshot: snapshot.uuid, next }
    return operations.submit(caller, { ...on(view.record, 'snapshot.update', input), ...about(view.record, snapshot) })
  }

  async function rename(caller: Caller, where: Where, name: string, newName: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { view, snapshot } = await get(caller, where, name)
    const next = { ...snapshot, name: parseSnapshotName(newName) }
    const input = { instance: snapshot.instance, snapshot: snapshot.uuid, next }
    return operations.submit(caller, {
      ...on(view.record, 'snapshot.rename', input),
      ...about(view.record, snapshot),
      names: [{ noun: 'snapshot', scope: snapshot.instance, name: newName }],
      taken: `Name "${newName}" already in use`,
    })
  }

  /** `seen`: only while it is as it was when somebody decided on it. */
  async function remove(caller: Caller, where: Where, name: string, seen?: Seen): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { view, snapshot } = await get(caller, where, name)
    const input = { instance: snapshot.instance, snapshot: snapshot.uuid }
    return operations.submit(caller, {
      ...on(view.record, 'snapshot.delete', input),
      ...about(view.record, snapshot),
      ...asSeen('snapshot', seen),
    })
  }

  /** `name` alone or `instance/name`, as lxc sends it. */
  async function restore(caller: Caller, where: Where, name: string, stateful = false): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    if (stateful) throw badRequest('Stateful snapshot restore requested by snapshot is stateless')
    const own = name.startsWith(`${where.name}/`) ? name.slice(where.name.length + 1) : name
    const view = await views.get(caller, where)
    const snapshot = view.snapshots.find((candidate) => candidate.name === own)
    if (snapshot === undefined) throw notFound(`Snapshot ${where.name}/${own} does not exist`)
    const { record } = view
    return submitInRoom(operations, caller, () => restorationOf(caller, record, snapshot))
  }

  /** Checks what the instance goes back to, and takes addresses for the NICs that it has lost since. */
  async function restorationOf(caller: Caller, now: InstanceRecord, snapshot: SnapshotRecord) {
    const next = asAt(now, snapshot)
    const { config, devices, inherited } = await drafts.expand(now.project, next)
    const taking = await room.take(now.project, [{ ...next, config, devices }])
    const taken = await leases.take(next, devices)
    await drafts.check(caller.role, next, taken)
    const submission = on(now, 'snapshot.restore', { instance: now.uuid, snapshot: snapshot.uuid })
    const claiming = withProfiles(inherited, {
      ...submission,
      busy: [...submission.busy, ...usesOf(taken, 'restore')],
      changes: [...taking, ...taken.map((lease): RecordChange => ({ change: 'put', noun: 'lease', record: lease }))],
    })
    return withMounts(records, now.project, devices, claiming)
  }

  /** A snapshot and the instance it is of. */
  async function get(caller: Caller, where: Where, name: string) {
    const view = await views.get(caller, where)
    const snapshot = view.snapshots.find((candidate) => candidate.name === name)
    if (snapshot === undefined)
      throw notFound(
        `Failed to fetch snapshot "${name}" of instance "${where.name}" in project "${where.project}": InstanceSnapshot not found`,
      )
    return { view, snapshot }
  }

  return { get, create, update, rename, remove, restore }
}

function about(instance: InstanceRecord, snapshot: SnapshotRecord) {
  return {
    entity: { id: snapshot.uuid, name: `${instance.name}/${snapshot.name}`, url: snapshotUrl(instance, snapshot.name) },
    resources: snapshotResources(instance, snapshot.name),
  }
}
