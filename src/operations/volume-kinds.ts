/** The catalogue's kinds of custom storage volumes, their snapshots and their backups. */
import * as inputs from './inputs.ts'
import { task, type OperationSpec } from './spec.ts'

const onVolume = { ...task, entity: 'volume' } as const
const onBackup = { ...task, entity: 'volume-backup' } as const
const onSnapshot = { ...task, entity: 'volume-snapshot' } as const

export const VOLUME_KINDS = {
  'volume.create': {
    ...onVolume,
    description: 'Creating storage volume',
    action: 'create',
    input: inputs.VolumeCreate,
    lifecycle: 'storage-volume-created',
  },
  'volume.copy': {
    ...onVolume,
    description: 'Copying storage volume',
    action: 'copy',
    input: inputs.VolumeCopy,
    lifecycle: 'storage-volume-created',
  },
  'volume.delete': {
    ...onVolume,
    cancellable: false,
    description: 'Deleting storage volume',
    action: 'delete',
    input: inputs.VolumeTarget,
    lifecycle: 'storage-volume-deleted',
  },
  'volume.restore': {
    ...onVolume,
    description: 'Restoring storage volume',
    action: 'restore',
    input: inputs.VolumeRestore,
    lifecycle: 'storage-volume-restored',
  },
  'volume.refresh': {
    ...onVolume,
    description: 'Copying storage volume',
    action: 'refresh',
    input: inputs.VolumeRefresh,
    lifecycle: 'storage-volume-updated',
  },
  'volume.import': {
    ...onVolume,
    description: 'Restoring custom volume backup',
    action: 'create',
    input: inputs.VolumeImport,
    lifecycle: 'storage-volume-created',
  },
  'volume-snapshot.create': {
    ...onSnapshot,
    description: 'Creating storage volume snapshot',
    action: 'snapshot',
    input: inputs.VolumeSnapshotCreate,
    lifecycle: 'storage-volume-snapshot-created',
  },
  'volume-snapshot.rename': {
    ...onSnapshot,
    description: 'Renaming storage volume snapshot',
    action: 'rename',
    input: inputs.VolumeSnapshotRename,
    lifecycle: 'storage-volume-snapshot-renamed',
  },
  'volume-snapshot.delete': {
    ...onSnapshot,
    cancellable: false,
    description: 'Deleting storage volume snapshot',
    action: 'delete',
    input: inputs.VolumeSnapshotTarget,
    lifecycle: 'storage-volume-snapshot-deleted',
  },
  'volume-backup.create': {
    ...onBackup,
    description: 'Creating custom volume backup',
    action: 'backup',
    input: inputs.VolumeBackupCreate,
    lifecycle: 'storage-volume-backup-created',
  },
  'volume-backup.rename': {
    ...onBackup,
    description: 'Renaming custom volume backup',
    action: 'rename',
    input: inputs.VolumeBackupRename,
    lifecycle: 'storage-volume-backup-renamed',
  },
  'volume-backup.delete': {
    ...onBackup,
    cancellable: false,
    description: 'Deleting custom volume backup',
    action: 'delete',
    input: inputs.VolumeBackupTarget,
    lifecycle: 'storage-volume-backup-deleted',
  },
} as const satisfies Record<string, OperationSpec>
