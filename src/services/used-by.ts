/** Who uses what: instances and profiles by their devices and profiles, also those that are still being made. */
import type { Devices } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, NetworkRecord, ProfileRecord } from '../contract/records.ts'
import { effectiveDevices, expandDevices, pickProfiles } from '../core/expand.ts'
import { isFinal } from '../core/operation-states.ts'
import type { OperationStore, RecordReader } from '../core/ports.ts'
import { decodeJob } from '../operations/job.ts'
import { mayEnter, type Caller } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { profileUrl } from './noun-urls.ts'

export interface UsedByDeps {
  records: RecordReader
  store: Pick<OperationStore, 'recent'>
}

export type UsedBy = ReturnType<typeof createUsedBy>

/** An instance (devices expanded) or a profile that may use a network or a volume. */
export interface User {
  project: string
  url: string
  devices: Devices
}

export function createUsedBy({ records, store }: UsedByDeps) {
  /** Instances, then profiles, of one project or of all. */
  async function users(project?: string): Promise<User[]> {
    const [instances, profiles] = await Promise.all([
      records.list('instance', project),
      records.list('profile', project),
    ])
    return [
      ...instances.map((instance) => toUser(instance, profiles)),
      ...profiles.map((profile) => ({
        project: profile.project,
        url: profileUrl(profile),
        devices: effectiveDevices(profile.devices),
      })),
    ]
  }

  /** What unfinished operations are about to write: instances that are being made or changed. */
  async function drafts(project?: string): Promise<InstanceRecord[]> {
    // No finished operation ends in the future, so these are the unfinished ones alone.
    const unfinished = await store.recent(project, Number.MAX_SAFE_INTEGER)
    return unfinished.flatMap(draftOf)
  }

  /** The same as users: they count when something is to be deleted, and have no URL that answers yet. */
  async function coming(project?: string): Promise<User[]> {
    const [instances, profiles] = await Promise.all([drafts(project), records.list('profile', project)])
    return instances.map((instance) => toUser(instance, profiles))
  }

  /** Networks that are being made. */
  async function comingNetworks(project: string): Promise<NetworkRecord[]> {
    const unfinished = await store.recent(project, Number.MAX_SAFE_INTEGER)
    return unfinished.flatMap((operation) => {
      if (isFinal(operation.state) || operation.unreadable !== undefined || operation.kind !== 'network.create')
        return []
      const job = decodeJob(operation)
      return job.kind === 'network.create' ? [job.input.network] : []
    })
  }

  return { users, drafts, coming, comingNetworks }
}

function toUser(instance: InstanceRecord, known: ProfileRecord[]): User {
  const { profiles } = pickProfiles(
    instance.profiles,
    known.filter((profile) => profile.project === instance.project),
  )
  const devices = effectiveDevices(expandDevices(profiles, instance.devices))
  return { project: instance.project, url: instanceUrl(instance), devices }
}

const DRAFTING = ['instance.create', 'instance.copy', 'instance.import', 'instance.update']

function draftOf(operation: OperationRecord): InstanceRecord[] {
  if (isFinal(operation.state) || operation.unreadable !== undefined) return []
  const { kind } = operation
  if (!DRAFTING.includes(kind)) return []
  const { input } = decodeJob(operation)
  if ('draft' in input) return [input.draft]
  return 'next' in input && 'container' in input.next ? [input.next] : []
}

export function usesNetwork({ devices }: User, name: string): boolean {
  return Object.values(devices).some((device) => device['type'] === 'nic' && networkOf(device) === name)
}

export function usesVolume({ devices }: User, name: string): boolean {
  return Object.values(devices).some(
    (device) => device['type'] === 'disk' && (device['pool'] ?? '') !== '' && device['source'] === name,
  )
}

/** A NIC names its network, or as its parent the network's bridge. */
export function networkOf(nic: Record<string, string>): string {
  return nic['network'] || nic['parent'] || ''
}

/** The URLs of users in projects that the caller may enter. */
export function urlsFor(caller: Caller, users: User[]): string[] {
  return users.filter((user) => mayEnter(caller, user.project)).map(({ url }) => url)
}
