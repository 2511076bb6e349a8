/** Instances as they are read: the record, its expansion by profiles, and the engine's word on its state. */
import type { Config, Devices } from '../contract/common.ts'
import type { InstanceState } from '../contract/instance.ts'
import type { BackupRecord, InstanceRecord, ProfileRecord, SnapshotRecord } from '../contract/records.ts'
import { expandConfig, expandDevices, pickProfiles } from '../core/expand.ts'
import { notFound } from '../core/failure.ts'
import { foreignRecord, isShownAsForeign } from '../core/foreign.ts'
import { instanceStatus, type InstanceStatus } from '../core/instance-status.ts'
import { RESERVED_PROJECT } from '../core/names.ts'
import type { RecordReader } from '../core/ports.ts'
import { homeOf, homesOf } from '../core/project-features.ts'
import { mayEnter, requireProject, type Caller } from './caller.ts'
import type { Inventory } from './inventory.ts'
import type { Sample, Sampler } from './sampler.ts'

export interface Where {
  project: string
  name: string
}

export interface InstanceView {
  record: InstanceRecord
  status: InstanceStatus
  /** Expanded: profiles in order, then its own. */
  config: Config
  devices: Devices
  snapshots: SnapshotRecord[]
  backups: BackupRecord[]
  /** All that its project has: a snapshot has names of its own. */
  profiles: ProfileRecord[]
}

export interface InstanceViewsDeps {
  records: RecordReader
  inventory: Inventory
  sampler: Sampler
  /** LXD's name of the architecture of containers made by others. */
  architecture: string
}

export type InstanceViews = ReturnType<typeof createInstanceViews>

export function createInstanceViews({ records, inventory, sampler, architecture }: InstanceViewsDeps) {
  /** Instances of one project, or of every project the caller may enter. */
  async function list(caller: Caller, project: string | undefined): Promise<InstanceView[]> {
    if (project !== undefined && !mayEnter(caller, project)) return []
    const [homes, instances, profiles, snapshots, backups] = await Promise.all([
      homesOf(records, 'profile'),
      records.list('instance', project),
      records.list('profile', project && (await homeOf(records, project, 'profile'))),
      records.list('snapshot'),
      records.list('backup'),
    ])
    const snapshotsOf = Map.groupBy(snapshots, ({ instance }) => instance)
    const backupsOf = Map.groupBy(backups, ({ instance }) => instance)
    const byHome = Map.groupBy(profiles, (profile) => profile.project)
    const own = instances
      .filter((record) => mayEnter(caller, record.project))
      .map((record) =>
        toView(record, byHome.get(homes(record.project)) ?? [], {
          snapshots: snapshotsOf.get(record.uuid) ?? [],
          backups: backupsOf.get(record.uuid) ?? [],
        }),
      )
    return project === undefined || project === RESERVED_PROJECT ? [...own, ...foreign(caller)] : own
  }

  /** Containers made by others, for those who may enter the project `docker`. */
  function foreign(caller: Caller): InstanceView[] {
    if (!mayEnter(caller, RESERVED_PROJECT)) return []
    return inventory.members.flatMap((member) =>
      inventory
        .containers(member)
        .filter(isShownAsForeign)
        .map((container) => toView(foreignRecord(member, container, architecture), [], { snapshots: [], backups: [] })),
    )
  }

  async function getForeign(caller: Caller, name: string): Promise<InstanceView> {
    const found = foreign(caller).find(({ record }) => record.name === name || record.uuid === name)
    if (found === undefined) throw notFound('Instance not found')
    return found
  }

  async function get(caller: Caller, where: Where): Promise<InstanceView> {
    requireProject(caller, where.project)
    if (where.project === RESERVED_PROJECT) return getForeign(caller, where.name)
    const record = await records.find('instance', where.project, where.name)
    if (record === undefined) throw notFound('Instance not found')
    const [profiles, snapshots, backups] = await Promise.all([
      records.list('profile', await homeOf(records, where.project, 'profile')),
      records.list('snapshot', record.uuid),
      records.list('backup', record.uuid),
    ])
    return toView(record, profiles, { snapshots, backups })
  }

  function toView(record: InstanceRecord, known: ProfileRecord[], own: Belongings): InstanceView {
    const { profiles } = pickProfiles(record.profiles, known)
    return {
      record,
      status: instanceStatus(record, inventory.container(record.member, record.container)),
      config: expandConfig(profiles, record.config),
      devices: expandDevices(profiles, record.devices),
      snapshots: own.snapshots.toSorted(byAge),
      backups: own.backups.toSorted(byAge),
      profiles: known,
    }
  }

  /** Live figures by uuid; for lists at most ten seconds old. */
  async function states(views: InstanceView[]): Promise<Map<string, InstanceState>> {
    const running = views.filter(({ status }) => status.code !== 102).map(({ record }) => record)
    await sampler.refresh(running)
    return new Map(views.map((view) => [view.record.uuid, toState(view)]))
  }

  /** Live figures of one, measured now. */
  async function state(caller: Caller, where: Where): Promise<InstanceState> {
    const view = await get(caller, where)
    if (view.status.code !== 102) await sampler.measure(view.record)
    return toState(view)
  }

  function toState({ record, status, devices }: InstanceView): InstanceState {
    const container = inventory.container(record.member, record.container)
    const sample = status.code === 102 ? undefined : sampler.latest(record)
    const { memoryBytes, memoryPeakBytes, swapBytes, pid, processes, cpuNanoseconds } = sample ?? NOTHING_MEASURED
    return {
      status: status.status,
      status_code: status.code,
      disk: {},
      memory: { usage: memoryBytes, usage_peak: memoryPeakBytes, swap_usage: swapBytes, swap_usage_peak: 0 },
      network: sample === undefined || container === undefined ? null : sampler.networks(container, sample, devices),
      pid,
      processes,
      cpu: { usage: cpuNanoseconds },
    }
  }

  /** What the engine counted when it was measured last; undefined where it never was or does not run. */
  function measured({ record, status }: InstanceView): Sample | undefined {
    return status.code === 102 ? undefined : sampler.latest(record)
  }

  return { list, get, state, states, measured }
}

type Belongings = Pick<InstanceView, 'snapshots' | 'backups'>

function byAge(a: { created_at: string }, b: { created_at: string }): number {
  return a.created_at < b.created_at ? -1 : 1
}

const NOTHING_MEASURED = { memoryBytes: 0, memoryPeakBytes: 0, swapBytes: 0, pid: 0, processes: 0, cpuNanoseconds: 0 }
