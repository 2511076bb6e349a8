/** Who uses what: instances and profiles by their devices and profiles, also those that are still being made. */
import type { Devices } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, NetworkRecord, ProfileRecord, SnapshotRecord } from '../contract/records.ts'
import { restoredConfig } from '../core/config-keys.ts'
import { effectiveDevices, ownAndInherited } from '../core/expand.ts'
import type { OperationStore, RecordReader } from '../core/ports.ts'
import { homesOf, sharersOf } from '../core/project-features.ts'
import { decodeJob, type Job } from '../operations/job.ts'
import { mayEnter, type Caller } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { profileUrl } from './noun-urls.ts'
import { unfinishedOf } from './unfinished.ts'

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
  /** An instance's uuid. */
  instance?: string
}

export function createUsedBy({ records, store }: UsedByDeps) {
  /** Instances, then profiles, of one project or of all. */
  async function users(project?: string): Promise<User[]> {
    const [instances, profiles, homes] = await Promise.all([
      records.list('instance', project),
      records.list('profile'),
      homesOf(records, 'profile'),
    ])
    return [
      ...instances.map((instance) => toUser(instance, profiles, homes)),
      ...profiles
        .filter((profile) => project === undefined || profile.project === project)
        .map((profile) => ({
          project: profile.project,
          url: profileUrl(profile),
          devices: effectiveDevices(profile.devices),
        })),
    ]
  }

  /** Those that may mount the volumes that are in this project. */
  const volumeUsers = (home: string) => inSharing(home, users)

  /** The same of what unfinished operations are about to write. */
  const comingVolumeUsers = (home: string) => inSharing(home, coming)

  async function inSharing(home: string, read: (project: string) => Promise<User[]>): Promise<User[]> {
    const projects = await sharersOf(records, home, 'volume')
    return (await Promise.all(projects.map(read))).flat()
  }

  /** Whether anything is going on in a project that may leave something there; a secret that waits does not. */
  async function isBusy(project: string): Promise<boolean> {
    const unfinished = await unfinishedOf(store, project)
    return unfinished.some(({ class: kind }) => kind !== 'token')
  }

  /** What unfinished operations are about to write: instances that are being made or changed. */
  async function drafts(project?: string): Promise<InstanceRecord[]> {
    const unfinished = await unfinishedOf(store, project)
    const restored = await Promise.all(unfinished.map(restorationOf))
    return [...unfinished.flatMap(draftOf), ...restored.filter((draft) => draft !== undefined)]
  }

  /** The instance as it will be when it is back at its snapshot; where one of them is gone there is nothing to come. */
  async function restorationOf(operation: OperationRecord): Promise<InstanceRecord | undefined> {
    const job = draftingJob(operation)
    if (job?.kind !== 'snapshot.restore') return undefined
    const [now, snapshot] = await Promise.all([
      records.get('instance', job.input.instance),
      records.get('snapshot', job.input.snapshot),
    ])
    return now && snapshot && asAt(now, snapshot)
  }

  /** The same as users: they count when something is to be deleted, and have no URL that answers yet. */
  async function coming(project?: string): Promise<User[]> {
    const [instances, profiles, homes] = await Promise.all([
      drafts(project),
      records.list('profile'),
      homesOf(records, 'profile'),
    ])
    return instances.map((instance) => toUser(instance, profiles, homes))
  }

  /** Networks that are being made. */
  async function comingNetworks(project: string): Promise<NetworkRecord[]> {
    const unfinished = await unfinishedOf(store, project)
    return unfinished.flatMap((operation) => {
      if (operation.unreadable !== undefined || operation.kind !== 'network.create') return []
      const job = decodeJob(operation)
      return job.kind === 'network.create' ? [job.input.network] : []
    })
  }

  return { users, volumeUsers, comingVolumeUsers, isBusy, drafts, coming, comingNetworks }
}

/** An instance as it is once it is back at its snapshot. */
export function asAt(now: InstanceRecord, { config, devices, profiles }: SnapshotRecord): InstanceRecord {
  return { ...now, config: restoredConfig(now.config, config), devices, profiles }
}

function toUser(instance: InstanceRecord, known: ProfileRecord[], homes: (project: string) => string): User {
  const home = homes(instance.project)
  const own = known.filter((profile) => profile.project === home)
  const devices = ownAndInherited(instance, own)
  return { project: instance.project, url: instanceUrl(instance), devices, instance: instance.uuid }
}

const DRAFTING = ['instance.create', 'instance.copy', 'instance.import', 'instance.update']

/** Not decoded where nobody would look at it. */
function draftingJob(operation: OperationRecord): Job | undefined {
  const { kind, unreadable } = operation
  if (unreadable !== undefined || ![...DRAFTING, 'snapshot.restore'].includes(kind)) return undefined
  return decodeJob(operation)
}

function draftOf(operation: OperationRecord): InstanceRecord[] {
  const job = draftingJob(operation)
  if (job === undefined) return []
  const { input } = job
  if ('draft' in input) return [input.draft]
  return 'next' in input && 'container' in input.next ? [input.next] : []
}

export function usesNetwork({ devices }: User, name: string): boolean {
  return Object.values(devices).some((device) => device['type'] === 'nic' && networkOf(device) === name)
}

/** A NIC names its network, or as its parent the network's bridge. */
export function networkOf(nic: Record<string, string>): string {
  return nic['network'] || nic['parent'] || ''
}

/** The URLs of users in projects that the caller may enter. */
export function urlsFor(caller: Caller, users: User[]): string[] {
  return users.filter((user) => mayEnter(caller, user.project)).map(({ url }) => url)
}
