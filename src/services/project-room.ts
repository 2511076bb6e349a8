/** Whether a project's limits leave room for what is to be made or changed in it. Texts are LXD's. */
import type { Config } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, ProfileRecord, ProjectRecord } from '../contract/records.ts'
import { isTrue } from '../core/config-values.ts'
import { expandConfig, expandDevices, pickProfiles } from '../core/expand.ts'
import { badRequest, notFound } from '../core/failure.ts'
import type { RecordChange, RecordReader, Refusal } from '../core/ports.ts'
import { homeOf, sharersOf } from '../core/project-features.ts'
import { restrictionFault } from '../core/restrictions.ts'
import { parseBytes } from '../core/units.ts'
import type { Kind } from '../operations/catalog.ts'
import type { Caller } from './caller.ts'
import { toRefusal, type Operations, type Submission } from './operations.ts'
import type { UsedBy } from './used-by.ts'

export interface ProjectRoomDeps {
  records: RecordReader
  usedBy: UsedBy
}

export type ProjectRoom = ReturnType<typeof createProjectRoom>

/** An instance as it counts against limits; config and devices are expanded. */
export type Occupant = Pick<InstanceRecord, 'uuid' | 'name' | 'config' | 'devices' | 'profiles'>

/** Limits of a project that add up over its instances, which must then all have the same key set. */
export const AGGREGATES = ['limits.cpu', 'limits.memory', 'limits.processes'] as const
export type Aggregate = (typeof AGGREGATES)[number]

/** Limits of the number of instances. */
export const COUNTS = ['limits.instances', 'limits.containers'] as const

export function createProjectRoom({ records, usedBy }: ProjectRoomDeps) {
  /**
   * Throws bad-request when the project would exceed a limit, or does not allow it, with these instances, new ones or
   * changed ones of it. An instance whose creation or change is under way counts already. What it returns belongs into
   * the changes that are submitted: they are refused when somebody else has taken room, or has changed the project,
   * meanwhile (`submitInRoom`).
   */
  async function take(project: string, planned: Occupant[]): Promise<RecordChange[]> {
    // First of all: whoever takes room later changes it.
    const record = await load(project)
    const limits = record.config
    for (const one of planned) refuseForbidden(limits, one)
    if (hasLimits(limits)) {
      const before = await occupants(project)
      const isPlanned = ({ uuid }: Occupant) => planned.some((one) => one.uuid === uuid)
      const after = [...before.filter((one) => !isPlanned(one)), ...planned]
      const count = countOf(after)
      refuse(count > countOf(before) ? countFault(project, limits, count) : undefined)
      refuse(sumFault(project, limits, after))
    }
    return [tokenOf(record, isBounded(limits))]
  }

  /** The same for a profile as it is to become, with all that have it or are to have it, in each project that shares it. */
  async function takeForProfile(next: ProfileRecord): Promise<RecordChange[]> {
    const projects = await sharersOf(records, next.project, 'profile')
    return Promise.all(projects.map((project) => takeWithProfile(project, next)))
  }

  async function takeWithProfile(project: string, next: ProfileRecord): Promise<RecordChange> {
    const { name } = next
    const record = await load(project)
    const limits = record.config
    if (isBounded(limits)) {
      const all = await occupants(project, next)
      for (const one of all) if (one.profiles.includes(name)) refuseForbidden(limits, one)
      const isUsed = all.some(({ profiles }) => profiles.includes(name))
      if (isUsed) refuse(sumFault(project, limits, all))
    }
    return tokenOf(record, isBounded(limits))
  }

  /** The same for one network more. */
  async function takeForNetwork(project: string): Promise<RecordChange[]> {
    const record = await load(project)
    const limit = record.config['limits.networks'] ?? ''
    if (limit !== '') {
      const coming = await usedBy.comingNetworks(project)
      const there = await records.list('network', project)
      const names = new Set([...coming, ...there].map(({ uuid }) => uuid))
      if (names.size >= Number(limit)) throw badRequest(`Reached maximum number of networks in project "${project}"`)
    }
    return [tokenOf(record, limit !== '')]
  }

  async function load(project: string): Promise<ProjectRecord> {
    const record = await records.find('project', '', project)
    if (record === undefined) throw notFound('Project not found')
    return record
  }

  /**
   * Everything that counts: what is there, and what is being made or changed; with a profile as it is to become, if
   * given. An instance that is being changed is among them as it is and as it is to become: it may end as either.
   */
  async function occupants(project: string, next?: ProfileRecord): Promise<Occupant[]> {
    // What has ended when these are read is in the records that are read after them.
    const coming = await usedBy.drafts(project)
    const home = await homeOf(records, project, 'profile')
    const [instances, known] = await Promise.all([records.list('instance', project), records.list('profile', home)])
    const profiles = known.map((profile) => (profile.uuid === next?.uuid ? next : profile))
    return [...instances, ...coming].map((one) => toOccupant(one, profiles))
  }

  return { take, takeForProfile, takeForNetwork, occupants }
}

/** Where there is a limit the next one has to look again; else only a change of the project is in the way. */
export function tokenOf(record: ProjectRecord, isLimited: boolean): RecordChange {
  if (isLimited || record.held === true) return { change: 'put', noun: 'project', record }
  return { change: 'keep', noun: 'project', uuid: record.uuid, rev: record.rev }
}

function refuse(fault: string | undefined): void {
  if (fault !== undefined) throw badRequest(`Failed checking if instance creation allowed: ${fault}`)
}

/** How often a request looks again: of several for the last room one is let in each time. */
export const MOST_TRIES = 200

/** Somebody else has taken room in the project: it is to be looked at again. */
export function isRoomLost(refusal: Refusal): boolean {
  return refusal.outcome === 'changed' && refusal.noun === 'project'
}

/** Somebody else has changed a custom volume that is to be mounted, or a profile. */
export function isPartLost(refusal: Refusal): boolean {
  return refusal.outcome === 'changed' && ['volume', 'profile'].includes(refusal.noun)
}

/**
 * Submits what `make` says, made anew as often as somebody else has taken the room that it takes, or changed a volume
 * that it mounts or a profile that it has; or something else that `isLost` knows.
 */
export async function submitInRoom<K extends Kind>(
  { trySubmit }: Pick<Operations, 'trySubmit'>,
  caller: Caller,
  make: () => Promise<Submission<K>>,
  isLost: (refusal: Refusal) => boolean = () => false,
): Promise<OperationRecord> {
  for (let tries = 1; ; tries++) {
    const submission = await make()
    const submitted = await trySubmit(caller, submission)
    if (submitted.outcome === 'accepted') return submitted.operation
    if (!(isRoomLost(submitted) || isPartLost(submitted) || isLost(submitted)) || tries >= MOST_TRIES)
      throw toRefusal(submitted, submission.taken)
  }
}

function hasLimits(config: Config): boolean {
  return [...AGGREGATES, ...COUNTS].some((key) => (config[key] ?? '') !== '')
}

/** Whether what an instance may be in a project depends on the project, or on the others in it. */
function isBounded(config: Config): boolean {
  return hasLimits(config) || isTrue(config['restricted'])
}

/** Whether room in the project was taken without a look at the others until now, and is not from now on. */
export function isNewlyBounded(before: Config, after: Config): boolean {
  const isNew = (is: (config: Config) => boolean): boolean => is(after) && !is(before)
  return isNew(isBounded) || isNew((config) => (config['limits.networks'] ?? '') !== '')
}

function refuseForbidden(project: Config, one: Occupant): void {
  const fault = restrictionFault(project, one)
  if (fault !== undefined) throw badRequest(`The project does not allow instance "${one.name}": ${fault}`)
}

function toOccupant(instance: InstanceRecord, known: ProfileRecord[]): Occupant {
  const { profiles } = pickProfiles(instance.profiles, known)
  return {
    uuid: instance.uuid,
    name: instance.name,
    config: expandConfig(profiles, instance.config),
    devices: expandDevices(profiles, instance.devices),
    profiles: instance.profiles,
  }
}

/** How many instances these are. */
export function countOf(occupants: Pick<Occupant, 'uuid'>[]): number {
  return new Set(occupants.map(({ uuid }) => uuid)).size
}

/** What they come to together; of an instance that is among them twice the larger amount counts. */
function total<One extends Pick<Occupant, 'uuid'>>(occupants: One[], amountOfOne: (one: One) => number): number {
  const amounts = new Map<string, number>()
  for (const one of occupants) amounts.set(one.uuid, Math.max(amounts.get(one.uuid) ?? 0, amountOfOne(one)))
  return [...amounts.values()].reduce((sum, amount) => sum + amount, 0)
}

function countFault(project: string, limits: Config, count: number): string | undefined {
  if (isOver(limits['limits.containers'], count))
    return `Reached maximum number of instances of type "container" in project "${project}"`
  if (isOver(limits['limits.instances'], count)) return `Reached maximum number of instances in project "${project}"`
  return undefined
}

function sumFault(project: string, limits: Config, occupants: Occupant[]): string | undefined {
  for (const key of AGGREGATES) {
    const limit = limits[key] ?? ''
    if (limit === '') continue
    if (total(occupants, (one) => ownAmount(project, key, one)) > amountOf(key, limit))
      return `Reached maximum aggregate value "${limit}" for "${key}" in project "${project}"`
  }
  return undefined
}

/** What the instance has of it. Throws bad-request for one that has no figure of its own. */
function ownAmount(project: string, key: Aggregate, { name, config }: Occupant): number {
  const value = config[key] ?? ''
  if (value === '')
    throw badRequest(
      `Instance "${name}" in project "${project}" has no "${key}" config, either directly or via a profile`,
    )
  if (value.endsWith('%')) throw badRequest(`Instance "${name}": value of "${key}" can't be a percentage`)
  if (key === 'limits.cpu' && /[-,]/.test(value))
    throw badRequest(`Instance "${name}": CPUs can't be pinned if project limits are used`)
  return amountOf(key, value)
}

/** Together, for showing: an instance without a figure of its own counts nothing. */
export function usageOf(key: Aggregate, occupants: Pick<Occupant, 'uuid' | 'config'>[]): number {
  return total(occupants, ({ config }) => plainAmount(key, config[key] ?? ''))
}

function plainAmount(key: Aggregate, value: string): number {
  return /^[0-9]+[a-zA-Z ]*$/.test(value) ? amountOf(key, value) : 0
}

/** A limit's figure; -1 where it is not set. */
export function limitOf(key: Aggregate | (typeof COUNTS)[number], config: Config): number {
  const value = config[key] ?? ''
  if (value === '') return -1
  return key === 'limits.memory' ? parseBytes(value) : Number(value)
}

function amountOf(key: Aggregate, value: string): number {
  return key === 'limits.memory' ? parseBytes(value) : Number(value)
}

function isOver(limit: string | undefined, count: number): boolean {
  return limit !== undefined && limit !== '' && count > Number(limit)
}

/** Why a project cannot have this config: what is there already is over a limit, or not allowed. */
export function tooLow(project: string, limits: Config, occupants: Occupant[]): string | undefined {
  const count = countOf(occupants)
  for (const key of COUNTS)
    if (isOver(limits[key], count))
      return `"${key}" is too low: there currently are ${count} instances in project "${project}"`
  for (const one of occupants) {
    const fault = restrictionFault(limits, one)
    if (fault !== undefined) return `Instance "${one.name}" in project "${project}" would not be allowed: ${fault}`
  }
  return sumFault(project, limits, occupants)
}
