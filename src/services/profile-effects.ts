/** What a changed profile does to the instances that have it: checked for all before it is saved, done for each after. */
import type { Config, Devices } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, LeaseRecord, Noun, ProfileRecord, RecordOf } from '../contract/records.ts'
import { changeEffect } from '../core/config-keys.ts'
import { devicesEffect } from '../core/devices.ts'
import { expandConfig, expandDevices, pickProfiles } from '../core/expand.ts'
import { conflict, Failure, timedOut, toFailure } from '../core/failure.ts'
import { isFinal } from '../core/operation-states.ts'
import type { OperationStore, RecordChange, RecordReader } from '../core/ports.ts'
import { listSharing } from '../core/project-features.ts'
import { CATALOG, isKind } from '../operations/catalog.ts'
import type { Caller } from './caller.ts'
import { createDrafts, type Hosts } from './drafts.ts'
import { on } from './instance-operations.ts'
import type { Leases } from './leases.ts'
import { withMounts } from './mounts.ts'
import { toRefusal, type Operations } from './operations.ts'
import { isPartLost, type ProjectRoom } from './project-room.ts'
import { unfinishedOf } from './unfinished.ts'

export interface ProfileEffectsDeps {
  records: RecordReader
  store: Pick<OperationStore, 'recent'>
  operations: Operations
  leases: Leases
  room: ProjectRoom
  hosts: Hosts
}

export type ProfileEffects = ReturnType<typeof createProfileEffects>

interface Expanded {
  config: Config
  devices: Devices
}

/** One instance that must follow. */
interface Follower {
  instance: InstanceRecord
  before: Expanded
  after: Expanded
}

/** The same with the addresses that it needs. */
export interface Effect extends Follower {
  leases: LeaseRecord[]
}

/** What is to be done, and what is to be written with the profile. */
export interface Plan {
  effects: Effect[]
  room: RecordChange[]
}

/** Seconds the request waits for the instances; they go on after it. */
const PATIENCE = 60
/** How often an instance that lost an address or a volume to somebody else is tried again. */
const MOST_TRIES = 20

export function createProfileEffects(deps: ProfileEffectsDeps) {
  const { records, operations, leases } = deps

  /** The instances whose container does not fit the profile's next state. A fault in any of them refuses the change. */
  async function plan(caller: Caller, now: ProfileRecord, next: ProfileRecord): Promise<Plan> {
    const changed = await followers(now, next)
    await refuseBusy(changed.map(({ instance }) => instance))
    const drafts = createDrafts({ hosts: deps.hosts, records: withProfile(records, next) })
    const effects: Effect[] = []
    for (const one of changed) {
      try {
        const taken = await leases.take(one.instance, one.after.devices)
        await drafts.check(caller.role, one.instance, taken)
        effects.push({ ...one, leases: taken })
      } catch (thrown) {
        throw ofInstance(one.instance, toFailure(thrown))
      }
    }
    return { effects, room: await deps.room.takeForProfile(next) }
  }

  /** The instances as they are now whose container is another one with the profile's next state. */
  async function followers(now: ProfileRecord, next: ProfileRecord): Promise<Follower[]> {
    const [instances, known] = await Promise.all([
      listSharing(records, 'profile', now.project, 'instance'),
      records.list('profile', now.project),
    ])
    const [earlier, later] = [now, next].map((as) => known.map((profile) => (profile.uuid === as.uuid ? as : profile)))
    return instances
      .filter(({ profiles }) => profiles.includes(now.name))
      .map((instance) => ({
        instance,
        before: expand(instance, earlier ?? []),
        after: expand(instance, later ?? []),
      }))
      .filter(({ before, after }) => isFollowed(before, after))
  }

  /** Whatever runs on one of them would be cut in half by the change. */
  async function refuseBusy(instances: InstanceRecord[]): Promise<void> {
    const projects = [...new Set(instances.map(({ project }) => project))]
    const uuids = instances.map(({ uuid }) => uuid)
    const unfinished = await Promise.all(projects.map((one) => unfinishedOf(deps.store, one)))
    const busy = unfinished.flat().find(({ entity }) => uuids.includes(entity.id))
    if (busy === undefined) return
    const action = isKind(busy.kind) ? CATALOG[busy.kind].action : busy.kind
    throw conflict(`Instance is busy running a "${action}" operation`, { operation: urlOf(busy) })
  }

  /**
   * One operation per instance; waits for them. What fails is told, as in LXD, while the profile stays changed. An instance
   * that was still being made with the profile as it was when the change was planned follows as well.
   */
  async function apply(caller: Caller, now: ProfileRecord, next: ProfileRecord, planned: Effect[]): Promise<void> {
    const faults: string[] = []
    const accepted: { instance: InstanceRecord; operation: OperationRecord }[] = []
    const isPlanned = ({ instance }: Follower) => planned.some((one) => one.instance.uuid === instance.uuid)
    const late = (await followers(now, next)).filter((one) => !isPlanned(one))
    for (const one of [...planned, ...late]) {
      try {
        const operation = await submit(caller, { now, next }, one)
        if (operation !== undefined) accepted.push({ instance: one.instance, operation })
      } catch (thrown) {
        faults.push(faultOf(one.instance, toFailure(thrown).message))
      }
    }
    const ended = await Promise.all(
      accepted.map(async ({ instance, operation }) => ({
        instance,
        operation: await operations.wait(caller, operation.id, PATIENCE),
      })),
    )
    for (const { instance, operation } of ended)
      if (isFinal(operation.state) && operation.state !== 'success') faults.push(faultOf(instance, operation.err))
    if (faults.length > 0)
      throw conflict(['The following instances failed to update (profile change still saved):', ...faults].join('\n'))
    const unfinished = ended.find(({ operation }) => !isFinal(operation.state))
    if (unfinished !== undefined)
      throw timedOut('The profile is changed; its instances still follow', { operation: urlOf(unfinished.operation) })
  }

  /** Undefined where nothing of the instance has to follow any more. */
  async function submit(
    caller: Caller,
    { now, next }: { now: ProfileRecord; next: ProfileRecord },
    planned: Follower & Partial<Effect>,
  ): Promise<OperationRecord | undefined> {
    // The request's own key belongs to the change of the profile.
    const asker = { ...caller, idempotency: undefined, answer: undefined }
    let follower: Follower = planned
    let taken = planned.leases
    for (let tries = 1; ; tries++) {
      const { instance, before, after } = follower
      const { uuid, rev } = instance
      taken ??= await leases.take(instance, after.devices)
      const submission = await withMounts(records, instance.project, after.devices, {
        ...on(instance, 'instance.update', { instance: uuid, next: instance, before }),
        changes: [
          // What somebody else has made of it meanwhile is not to be undone.
          { change: 'keep', noun: 'instance', uuid, rev },
          ...taken.map((record): RecordChange => ({ change: 'put', noun: 'lease', record })),
        ],
        once: `profile:${next.uuid}:${next.rev + 1}:${uuid}`,
      })
      const submitted = await operations.trySubmit(asker, submission)
      if (submitted.outcome === 'accepted') return submitted.operation
      if (tries >= MOST_TRIES) throw toRefusal(submitted, undefined)
      if (submitted.outcome === 'changed' && submitted.noun === 'instance') {
        const again = (await followers(now, next)).find((one) => one.instance.uuid === uuid)
        if (again === undefined) return undefined
        follower = again
        taken = undefined
      } else if (submitted.outcome === 'name-taken' && submitted.claim.noun === 'lease') taken = undefined
      else if (!isPartLost(submitted)) throw toRefusal(submitted, undefined)
    }
  }

  return { plan, apply }
}

function expand(instance: InstanceRecord, known: ProfileRecord[]): Expanded {
  const { profiles } = pickProfiles(instance.profiles, known)
  return { config: expandConfig(profiles, instance.config), devices: expandDevices(profiles, instance.devices) }
}

/** Whether a container must change; what only the records tell is read from the profile anyway. */
export function isFollowed(before: Expanded, after: Expanded): boolean {
  return (
    devicesEffect(before.devices, after.devices) !== 'none' || changeEffect(before.config, after.config) !== 'record'
  )
}

/** The records as they will be. */
function withProfile(records: RecordReader, next: ProfileRecord): RecordReader {
  async function list<N extends Noun>(noun: N, scope?: string): Promise<RecordOf<N>[]> {
    const listed = await records.list(noun, scope)
    return listed.map((record) => (record.uuid === next.uuid ? (next as RecordOf<N>) : record)) // the same uuid: a profile
  }
  return {
    get: (noun, uuid) => records.get(noun, uuid),
    find: (noun, scope, name) => records.find(noun, scope, name),
    list,
    owned: (noun, instance) => records.owned(noun, instance),
  }
}

function ofInstance({ name }: InstanceRecord, failure: Failure): Failure {
  return new Failure(failure.code, `Instance "${name}": ${failure.message}`, { cause: failure })
}

function faultOf({ project, name }: InstanceRecord, fault: string): string {
  return ` - Project: ${project}, Instance: ${name}: ${fault}`
}

function urlOf({ id }: OperationRecord): string {
  return `/1.0/operations/${id}`
}
