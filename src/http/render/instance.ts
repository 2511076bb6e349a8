/** Instances and snapshots as LXD shows them. */
import { NEVER } from '../../contract/common.ts'
import type { Backup } from '../../contract/backup.ts'
import type { Instance, InstanceFull, InstanceState } from '../../contract/instance.ts'
import type { BackupRecord, SnapshotRecord } from '../../contract/records.ts'
import type { Snapshot } from '../../contract/snapshot.ts'
import { expandConfig, expandDevices, pickProfiles } from '../../core/expand.ts'
import { sinceEpoch } from '../../core/times.ts'
import type { InstanceView } from '../../services/instance-views.ts'

/** LXD's instance. */
export function toInstance({ record, status, config, devices }: InstanceView): Instance {
  return {
    name: record.name,
    description: record.description,
    status: status.status,
    status_code: status.code,
    created_at: record.created_at,
    last_used_at: sinceEpoch(record.last_used_at),
    architecture: record.architecture,
    config: record.config,
    devices: record.devices,
    expanded_config: config,
    expanded_devices: devices,
    ephemeral: record.ephemeral,
    profiles: record.profiles,
    stateful: false,
    location: 'none',
    type: 'container',
    project: record.project,
  }
}

/** LXD's instance with everything that belongs to it. */
export function toInstanceFull(view: InstanceView, state: InstanceState | undefined): InstanceFull {
  return {
    ...toInstance(view),
    state: state ?? null,
    // LXD says null where there are none.
    snapshots: view.snapshots.length === 0 ? null : view.snapshots.map((snapshot) => toSnapshot(snapshot, view)),
    backups: view.backups.length === 0 ? null : view.backups.map(toBackup),
  }
}

/** LXD's backup. */
export function toBackup(record: BackupRecord): Backup {
  const { name, created_at, expires_at, instance_only } = record
  return { name, created_at, expires_at, instance_only, container_only: instance_only, optimized_storage: false }
}

/** LXD's snapshot, expanded, as LXD does it, with what its profiles are now. */
export function toSnapshot(record: SnapshotRecord, view: Pick<InstanceView, 'profiles'>): Snapshot {
  const { profiles } = pickProfiles(record.profiles, view.profiles)
  return {
    name: record.name,
    created_at: record.created_at,
    expires_at: record.expires_at,
    last_used_at: NEVER,
    stateful: false,
    architecture: record.architecture,
    config: record.config,
    devices: record.devices,
    ephemeral: record.ephemeral,
    expanded_config: expandConfig(profiles, record.config),
    expanded_devices: expandDevices(profiles, record.devices),
    profiles: record.profiles,
    size: record.size,
  }
}
