/** The catalogue's kinds of instances, snapshots and backups. */
import Type from 'typebox'
import * as inputs from './inputs.ts'
import { task, type OperationSpec } from './spec.ts'

const executed = Type.Object({
  return: Type.Integer(),
  output: Type.Optional(Type.Record(Type.String(), Type.String())),
})

const onInstance = { ...task, entity: 'instance' } as const
/** Carried by the API process that accepted it, over websockets; it tells of its beginning itself. */
const stream = { class: 'websocket', place: 'api', claim: 'none' } as const
const onSnapshot = { ...task, entity: 'snapshot' } as const
const onBackup = { ...task, entity: 'backup' } as const

export const INSTANCE_KINDS = {
  'instance.create': {
    ...onInstance,
    description: 'Creating instance',
    action: 'create',
    input: inputs.InstanceCreate,
    lifecycle: 'instance-created',
  },
  'instance.copy': {
    ...onInstance,
    description: 'Creating instance',
    action: 'create',
    input: inputs.InstanceCopy,
    lifecycle: 'instance-created',
  },
  'instance.refresh': {
    ...onInstance,
    description: 'Creating instance',
    action: 'refresh',
    input: inputs.InstanceRefresh,
    lifecycle: 'instance-updated',
  },
  'instance.import': {
    ...onInstance,
    description: 'Restoring backup',
    action: 'create',
    input: inputs.InstanceImport,
    lifecycle: 'instance-created',
  },
  'instance.update': {
    ...onInstance,
    description: 'Updating instance',
    action: 'update',
    input: inputs.InstanceUpdate,
    lifecycle: 'instance-updated',
  },
  'instance.rename': {
    ...onInstance,
    description: 'Renaming instance',
    action: 'rename',
    input: inputs.InstanceRename,
    lifecycle: 'instance-renamed',
  },
  'instance.delete': {
    ...onInstance,
    cancellable: false,
    description: 'Deleting instance',
    action: 'delete',
    input: inputs.InstanceTarget,
    lifecycle: 'instance-deleted',
  },
  'instance.start': {
    ...onInstance,
    description: 'Starting instance',
    action: 'start',
    input: inputs.InstanceTarget,
    lifecycle: 'instance-started',
  },
  'instance.stop': {
    ...onInstance,
    description: 'Stopping instance',
    action: 'stop',
    input: inputs.InstanceStop,
    lifecycle: 'instance-shutdown',
  },
  'instance.restart': {
    ...onInstance,
    description: 'Restarting instance',
    action: 'restart',
    input: inputs.InstanceStop,
    lifecycle: 'instance-restarted',
  },
  'instance.freeze': {
    ...onInstance,
    description: 'Freezing instance',
    action: 'freeze',
    input: inputs.InstanceTarget,
    lifecycle: 'instance-paused',
  },
  'instance.unfreeze': {
    ...onInstance,
    description: 'Unfreezing instance',
    action: 'unfreeze',
    input: inputs.InstanceTarget,
    lifecycle: 'instance-resumed',
  },
  'instance.exec': {
    ...onInstance,
    claim: 'none',
    description: 'Executing command',
    action: 'exec',
    input: inputs.InstanceExec,
    metadata: executed,
    lifecycle: 'instance-exec',
  },
  'instance.session': {
    ...onInstance,
    ...stream,
    description: 'Executing command',
    action: 'exec',
    input: inputs.InstanceSession,
    metadata: executed,
    lifecycle: undefined,
  },
  'instance.console': {
    ...onInstance,
    ...stream,
    description: 'Showing console',
    action: 'console',
    input: inputs.InstanceConsole,
    lifecycle: undefined,
  },
  /** Start, stop and the rest for all instances of a project: each of them gets an operation of its own. */
  'instance.bulk': {
    ...task,
    place: 'api',
    entity: 'project',
    cancellable: false,
    description: 'Updating instances',
    action: 'update',
    input: inputs.InstanceBulk,
    lifecycle: undefined,
  },
  'snapshot.create': {
    ...onSnapshot,
    description: 'Snapshotting instance',
    action: 'snapshot',
    input: inputs.SnapshotCreate,
    lifecycle: 'instance-snapshot-created',
  },
  'snapshot.restore': {
    ...onSnapshot,
    description: 'Restoring snapshot',
    action: 'restore',
    input: inputs.SnapshotRestore,
    lifecycle: 'instance-restored',
  },
  'snapshot.update': {
    ...onSnapshot,
    description: 'Updating snapshot',
    action: 'update',
    input: inputs.SnapshotUpdate,
    lifecycle: 'instance-snapshot-updated',
  },
  'snapshot.rename': {
    ...onSnapshot,
    description: 'Renaming snapshot',
    action: 'rename',
    input: inputs.SnapshotUpdate,
    lifecycle: 'instance-snapshot-renamed',
  },
  'snapshot.delete': {
    ...onSnapshot,
    cancellable: false,
    description: 'Deleting snapshot',
    action: 'delete',
    input: inputs.SnapshotTarget,
    lifecycle: 'instance-snapshot-deleted',
  },
  'backup.create': {
    ...onBackup,
    description: 'Backing up instance',
    action: 'backup',
    input: inputs.BackupCreate,
    lifecycle: 'instance-backup-created',
  },
  'backup.rename': {
    ...onBackup,
    description: 'Renaming instance backup',
    action: 'rename',
    input: inputs.BackupRename,
    lifecycle: 'instance-backup-renamed',
  },
  'backup.delete': {
    ...onBackup,
    cancellable: false,
    description: 'Removing instance backup',
    action: 'delete',
    input: inputs.BackupTarget,
    lifecycle: 'instance-backup-deleted',
  },
} as const satisfies Record<string, OperationSpec>
