/** Whether a project's limits leave room for what is to be made or changed in it. Texts are LXD's. */
import type { Config } from '../contract/common.ts'
import type { InstanceRecord } from '../contract/records.ts'
import { expandConfig, pickProfiles } from '../core/expand.ts'
import { badRequest } from '../core/failure.ts'
import type { RecordReader } from '../core/ports.ts'
import { parseBytes } from '../core/units.ts'
import type { UsedBy } from './used-by.ts'

export interface ProjectRoomDeps {
  records: RecordReader
  usedBy: UsedBy
}

export type ProjectRoom = ReturnType<typeof createProjectRoom>

/** An instance as it counts against limits; `config` is expanded. */
export type Occupant = Pick<InstanceRecord, 'uuid' | 'name' | 'config'>

/** Limits of a project that add up over its instances, which must then all have the same key set. */
export const AGGREGATES = ['limits.cpu', 'limits.memory', 'limits.processes'] as const
export type Aggregate = (typeof AGGREGATES)[number]

/** Limits of the number of instances. */
export const COUNTS = ['limits.instances', 'limits.containers'] as const

export function createProjectRoom({ records, usedBy }: ProjectRoomDeps) {
  /**
   * Throws bad-request when the project would exceed a limit with these instances, new ones or changed ones of it.
   * An instance whose creation is under way counts already.
   */
  async function check(project: string, planned: Occupant[]): Promise<void> {
    const limits = (await records.find('project', '', project))?.config ?? {}
    if (![...AGGREGATES, ...COUNTS].some((key) => (limits[key] ?? '') !== '')) return
    const before = await occupants(project)
    const after = new Map([...before, ...planned].map((one) => [one.uuid, one]))
    const fault =
      (after.size > before.length ? countFault(project, limits, after.size) : undefined) ??
      sumFault(project, limits, after)
    if (fault !== undefined) throw badRequest(`Failed checking if instance creation allowed: ${fault}`)
  }

  /** Everything that counts: what is there, and what is being made. */
  async function occupants(project: string): Promise<Occupant[]> {
    const [instances, coming, profiles] = await Promise.all([
      records.list('instance', project),
      usedBy.drafts(project),
      records.list('profile', project),
    ])
    const known = new Set(instances.map(({ uuid }) => uuid))
    return [...instances, ...coming.filter((draft) => !known.has(draft.uuid))].map((instance) => ({
      uuid: instance.uuid,
      name: instance.name,
      config: expandConfig(pickProfiles(instance.profiles, profiles).profiles, instance.config),
    }))
  }

  return { check, occupants }
}

function countFault(project: string, limits: Config, count: number): string | undefined {
  if (isOver(limits['limits.containers'], count))
    return `Reached maximum number of instances of type "container" in project "${project}"`
  if (isOver(limits['limits.instances'], count)) return `Reached maximum number of instances in project "${project}"`
  return undefined
}

function sumFault(project: string, limits: Config, instances: ReadonlyMap<string, Occupant>): string | undefined {
  for (const key of AGGREGATES) {
    const limit = limits[key] ?? ''
    if (limit === '') continue
    const sum = sumOf(project, key, [...instances.values()])
    if (sum > amountOf(key, limit))
      return `Reached maximum aggregate value "${limit}" for "${key}" in project "${project}"`
  }
  return undefined
}

/** What the instances have of it together. Throws bad-request for one that has no figure of its own. */
function sumOf(project: string, key: Aggregate, instances: Occupant[]): number {
  let sum = 0
  for (const { name, config } of instances) {
    const value = config[key] ?? ''
    if (value === '')
      throw badRequest(
        `Instance "${name}" in project "${project}" has no "${key}" config, either directly or via a profile`,
      )
    if (value.endsWith('%')) throw badRequest(`Instance "${name}": value of "${key}" can't be a percentage`)
    if (key === 'limits.cpu' && /[-,]/.test(value))
      throw badRequest(`Instance "${name}": CPUs can't be pinned if project limits are used`)
    sum += amountOf(key, value)
  }
  return sum
}

/** The same for showing: an instance without a figure of its own counts nothing. */
export function usageOf(key: Aggregate, instances: Occupant[]): number {
  const plain = instances.map(({ config }) => config[key] ?? '').filter((value) => /^[0-9]+[a-zA-Z ]*$/.test(value))
  return plain.reduce((sum, value) => sum + amountOf(key, value), 0)
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

/** Why a limit cannot be set so low: what is there already is over it. */
export function tooLow(project: string, limits: Config, occupants: Occupant[]): string | undefined {
  const count = occupants.length
  for (const key of COUNTS)
    if (isOver(limits[key], count))
      return `"${key}" is too low: there currently are ${count} instances in project "${project}"`
  return sumFault(project, limits, new Map(occupants.map((one) => [one.uuid, one])))
}
