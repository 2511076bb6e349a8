/** What can be done with an instance that is there. Reading is in instance-views.ts, creating in instance-creation.ts. */
import type {
  InstanceExecPost,
  InstancePatch,
  InstancePost,
  InstancePut,
  InstanceStatePut,
} from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord } from '../contract/records.ts'
import { keepIdentity, keepVolatile } from '../core/config-keys.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { checkExecRequest, type ExecRequest } from '../core/exec-spec.ts'
import { withoutEmpty, withoutEmptyOptions } from '../core/expand.ts'
import { badRequest, notFound, notImplemented } from '../core/failure.ts'
import { checkAction, checkProtection, parseStateAction } from '../core/instance-status.ts'
import type { InstanceAction, StateAction } from '../core/instance-status.ts'
import { parseInstanceName } from '../core/names.ts'
import type { RecordChange, RecordReader, Refusal } from '../core/ports.ts'
import type { InputOf, Kind } from '../operations/catalog.ts'
import { requireRole, type Caller } from './caller.ts'
import type { Drafts } from './drafts.ts'
import type { Foreign } from './foreign.ts'
import type { InstanceSessions } from './instance-sessions.ts'
import type { InstanceView, InstanceViews, Where } from './instance-views.ts'
import { on, requireOwn } from './instance-operations.ts'
import { instanceUrl } from './instance-urls.ts'
import { withAddresses, withoutMacs } from './instance-draft.ts'
import { usesOf, type Leases } from './leases.ts'
import { withMounts, withProfiles } from './mounts.ts'
import type { Operations } from './operations.ts'
import { asSeen } from './part-claims.ts'
import { submitInRoom, type ProjectRoom } from './project-room.ts'

export interface InstancesDeps {
  records: RecordReader
  views: InstanceViews
  operations: Operations
  drafts: Drafts
  leases: Leases
  room: ProjectRoom
  foreign: Foreign
  sessions: InstanceSessions
}

export type Instances = ReturnType<typeof createInstances>

export function createInstances({
  records,
  views,
  operations,
  drafts,
  leases,
  room,
  foreign,
  sessions,
}: InstancesDeps) {
  /** `PUT`: the whole writable side. What LXD guards (volatile keys) stays when the client leaves it out. */
  async function update(caller: Caller, where: Where, body: InstancePut, ifMatch?: string): Promise<OperationRecord> {
    return submitUpdate(caller, where, { ifMatch, next: (record) => replaced(record, body) })
  }

  async function replaced(record: InstanceRecord, body: InstancePut): Promise<InstanceRecord> {
    refuseNothing(body)
    const others = (await records.list('instance')).filter(({ uuid }) => uuid !== record.uuid)
    const given = keepIdentity(
      record.config,
      withoutEmpty(body.config ?? {}),
      others.map(({ config }) => config),
    )
    return {
      ...record,
      config: keepVolatile(record.config, given),
      devices: withoutEmptyOptions(body.devices ?? {}),
      // null is how clients write the empty list; one that leaves the field out does not mean to take the network away.
      profiles: body.profiles === undefined ? record.profiles : (body.profiles ?? []),
      description: body.description ?? '',
      ephemeral: body.ephemeral ?? false,
    }
  }

  /** `PATCH`: merged into what is there; LXD answers it synchronously. */
  async function patch(caller: Caller, where: Where, body: InstancePatch, ifMatch?: string): Promise<void> {
    await operations.finish(await submitUpdate(caller, where, { ifMatch, next: (record) => patched(record, body) }))
  }

  /** As `patch`, accepted; a running instance is not restarted for it: what needs that waits for its next start. */
  async function patchDeferred(caller: Caller, where: Where, body: InstancePatch): Promise<OperationRecord> {
    return submitUpdate(caller, where, { deferred: true, next: (record) => patched(record, body) })
  }

  /** Made anew of what the instance is by now as often as somebody else has changed it meanwhile. */
  async function submitUpdate(
    caller: Caller,
    where: Where,
    { ifMatch, deferred = false, next }: Change,
  ): Promise<OperationRecord> {
    const make = async () => {
      const { record } = await writable(caller, where, ifMatch)
      const submission = await updateOf(caller, record, await next(record))
      return { ...submission, input: { ...submission.input, ...(deferred && { deferred }) } }
    }
    return submitInRoom(operations, caller, make, isInstanceLost)
  }

  async function updateOf(caller: Caller, now: InstanceRecord, next: InstanceRecord) {
    const { config, devices, inherited } = await drafts.expand(next.project, next)
    const taking = await room.take(next.project, [{ ...next, config, devices }])
    const taken = await leases.take(next, devices)
    await drafts.check(caller.role, next, taken)
    const submission = on(now, 'instance.update', {
      instance: now.uuid,
      next: withAddresses(withoutMacs(next, taken), taken),
    })
    const claiming = withProfiles(inherited, {
      ...submission,
      busy: [...submission.busy, ...usesOf(taken, 'update')],
      changes: [
        { change: 'keep', noun: 'instance', uuid: now.uuid, rev: now.rev },
        ...taking,
        ...taken.map((record): RecordChange => ({ change: 'put', noun: 'lease', record })),
      ],
    })
    return withMounts(records, next.project, devices, claiming)
  }

  async function rename(caller: Caller, where: Where, body: InstancePost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    refuseMove(body)
    const name = body.name ?? ''
    const view = await views.get(caller, where)
    parseInstanceName(name)
    requireOwn(view)
    checkAction('rename', view.status.status)
    const { record } = view
    return operations.submit(caller, {
      ...on(record, 'instance.rename', { instance: record.uuid, name }),
      names: [{ noun: 'instance', scope: record.project, name }],
      taken: `Name "${name}" already in use`,
    })
  }

  /** `force`: also one that runs, which is killed. */
  async function remove(caller: Caller, where: Where, { force = false } = {}): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    let meant: string | undefined
    const make = async () => {
      const view = await views.get(caller, where)
      requireOwn(view)
      meant ??= view.record.uuid
      // Another one by its name.
      if (view.record.uuid !== meant) throw notFound('Instance not found')
      if (!force) checkAction('delete', view.status.status)
      checkProtection(view.config)
      const { record } = view
      return { ...on(record, 'instance.delete', { instance: record.uuid }), ...asSeen('instance', record) }
    }
    // Somebody may have started or protected it since it was looked at.
    return submitInRoom(operations, caller, make, isInstanceLost)
  }

  /**
   * start, stop, restart, freeze, unfreeze. `start` of a frozen one is refused, as in LXD. `kill`: what does not stop
   * within the timeout is killed.
   */
  async function changeState(
    caller: Caller,
    where: Where,
    body: InstanceStatePut,
    { kill = false } = {},
  ): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const action = parseStateAction(body.action ?? '')
    if (body.stateful === true) throw badRequest('Stateful stop is not possible on Docker Engine')
    const view = await views.get(caller, where)
    if (action !== 'start' && action !== 'stop') requireOwn(view)
    await foreign.check(caller, view.record)
    checkAction(checkedAs(action, body), view.status.status)
    const bound = { timeout: body.timeout ?? -1, force: body.force ?? false, ...(kill && { kill }) }
    return submitState(caller, view, action, bound)
  }

  /** What waits for a start may make the container anew. */
  function submitState(
    caller: Caller,
    { record, devices }: InstanceView,
    action: StateAction,
    bound: Omit<InputOf<'instance.stop'>, 'instance'>,
  ): Promise<OperationRecord> {
    const target = { instance: record.uuid }
    const mounting = <K extends Kind>(submission: ReturnType<typeof on<K>>) =>
      submitInRoom(operations, caller, () => withMounts(records, record.project, devices, submission))
    if (action === 'start') return mounting(state(record, 'instance.start', target))
    if (action === 'restart') return mounting(state(record, 'instance.restart', { ...target, ...bound }))
    if (action === 'stop') return operations.submit(caller, state(record, 'instance.stop', { ...target, ...bound }))
    return operations.submit(caller, state(record, `instance.${action}`, target))
  }

  /**
   * A command whose streams are websockets (`wait-for-websocket`), or whose output is kept (`record-output`) or dropped.
   * Its exit code is in the operation's metadata.
   */
  async function exec(caller: Caller, where: Where, body: InstanceExecPost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const command = body.command ?? []
    const view = await views.get(caller, where)
    await foreign.check(caller, view.record)
    checkAction('exec', view.status.status)
    if (command.length === 0) throw badRequest('No command given')
    const { record } = view
    const request: ExecRequest = {
      command,
      environment: body.environment ?? {},
      user: body.user ?? 0,
      group: body.group ?? 0,
      cwd: body.cwd ?? '',
    }
    checkExecRequest(request)
    if (body['wait-for-websocket'] === true) {
      const { interactive, width, height } = body
      const terminal = { interactive: interactive === true, width: width ?? 0, height: height ?? 0 }
      return sessions.open(caller, view, { ...request, ...terminal })
    }
    // Without websockets there is nobody who could use a terminal.
    const input = { instance: record.uuid, ...request, record: body['record-output'] ?? false }
    return operations.submit(caller, on(record, 'instance.exec', input))
  }

  async function writable(caller: Caller, where: Where, ifMatch: string | undefined) {
    requireRole(caller, 'operator')
    const view = await views.get(caller, where)
    requireOwn(view)
    checkIfMatch(ifMatch, etagOf(view.record.uuid, view.record.rev))
    return view
  }

  return { ...views, update, patch, patchDeferred, rename, remove, changeState, exec }
}

/** What an instance is to become. */
interface Change {
  ifMatch?: string | undefined
  deferred?: boolean
  next(record: InstanceRecord): InstanceRecord | Promise<InstanceRecord>
}

function patched(record: InstanceRecord, body: InstancePatch): InstanceRecord {
  return {
    ...record,
    config: withoutEmpty({ ...record.config, ...body.config }),
    devices: withoutEmptyOptions({ ...record.devices, ...body.devices }),
    profiles: body.profiles ?? record.profiles,
    description: body.description ?? record.description,
    ephemeral: body.ephemeral ?? record.ephemeral,
  }
}

/**
 * `lxc config edit` with nothing on its standard input sends nothing but empty fields, which would wipe the instance's
 * configuration. LXD refuses it as well, for the sake of its own keys.
 */
function refuseNothing({ config, devices, profiles, description }: InstancePut): void {
  if (!config && !devices && !profiles && !description)
    throw badRequest('Nothing is given: an update needs "config", "devices" or "profiles" (an empty one empties it)')
}

/** The same request asks LXD to move an instance to another server, pool or project. */
function refuseMove({ migration, target, pool, project }: InstancePost): void {
  if (migration === true || target || pool || project)
    throw notImplemented(
      'Migrating an instance to another server, storage pool or project is not possible; export it and import it there, or publish it and copy the image',
    )
}

/** A stop by force needs no container to be there. */
function checkedAs(action: StateAction, { force }: InstanceStatePut): InstanceAction {
  return action === 'stop' && force === true ? 'kill' : action
}

function isInstanceLost(refusal: Refusal): boolean {
  return refusal.outcome === 'changed' && refusal.noun === 'instance'
}

/** LXD names only the new path for changes of state. */
function state<K extends Kind>(record: InstanceRecord, kind: K, input: InputOf<K>) {
  return { ...on(record, kind, input), resources: { instances: [instanceUrl(record)] } }
}
