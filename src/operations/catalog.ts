/**
 * Every kind of operation, once. The kind union, the job type, the handlers' map, the 202 schemas, the OpenAPI links
 * and the loops of the tests are derived from this table and stated nowhere else.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { Reconciled } from '../contract/reconcile.ts'
import * as inputs from './inputs.ts'

export interface OperationSpec {
  /** LXD's class: how a client follows it. */
  class: 'task' | 'websocket' | 'token'
  /** Where it runs: a worker's job, the API process that accepted it, or nowhere: it lies in the store until it is used. */
  place: 'worker' | 'api' | 'store'
  /** LXD's description, word for word. */
  description: string
  /** LXD's word in "Instance is busy running a … operation". */
  action: string
  input: TSchema
  /** Metadata of a finished one. */
  metadata: TSchema
  cancellable: boolean
  /** What `/jobs/<id>` calls the thing it is about. */
  entity: 'instance' | 'snapshot' | 'image' | 'network' | 'volume' | 'project' | 'certificate' | 'server'
  /** LXD's lifecycle action on success. */
  lifecycle: string | undefined
}

const none = Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])
const published = Type.Object({ fingerprint: Type.String(), size: Type.Optional(Type.String()) })
const executed = Type.Object({
  return: Type.Integer(),
  output: Type.Optional(Type.Record(Type.String(), Type.String())),
})

const task = { class: 'task', place: 'worker', cancellable: true, metadata: none } as const
const onInstance = { ...task, entity: 'instance' } as const
/** Carried by the API process that accepted it, over websockets. */
const stream = { class: 'websocket', place: 'api' } as const
const onSnapshot = { ...task, entity: 'snapshot' } as const
const onImage = { ...task, entity: 'image' } as const

export const CATALOG = {
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
    lifecycle: 'instance-exec',
  },
  'instance.console': {
    ...onInstance,
    ...stream,
    description: 'Showing console',
    action: 'console',
    input: inputs.InstanceConsole,
    lifecycle: 'instance-console',
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
  'image.import': {
    ...onImage,
    description: 'Downloading image',
    action: 'import',
    input: inputs.ImageImport,
    metadata: published,
    lifecycle: 'image-created',
  },
  'image.pull': {
    ...onImage,
    description: 'Downloading image',
    action: 'pull',
    input: inputs.ImagePull,
    metadata: published,
    lifecycle: 'image-created',
  },
  'image.publish': {
    ...onImage,
    description: 'Downloading image',
    action: 'publish',
    input: inputs.ImagePublish,
    metadata: published,
    lifecycle: 'image-created',
  },
  'image.pack': {
    ...onImage,
    description: 'Packing image',
    action: 'export',
    input: inputs.ImageTarget,
    lifecycle: undefined,
  },
  'image.refresh': {
    ...onImage,
    description: 'Refreshing image',
    action: 'refresh',
    input: inputs.ImageRefresh,
    metadata: Type.Object({ refreshed: Type.Boolean() }),
    lifecycle: 'image-refreshed',
  },
  'image.share': {
    ...onImage,
    class: 'token',
    place: 'store',
    description: 'Image download token',
    action: 'secret',
    input: inputs.ImageShare,
    lifecycle: undefined,
  },
  'image.delete': {
    ...onImage,
    cancellable: false,
    description: 'Deleting image',
    action: 'delete',
    input: inputs.ImageTarget,
    lifecycle: 'image-deleted',
  },
  'network.create': {
    ...task,
    entity: 'network',
    description: 'Creating network',
    action: 'create',
    input: inputs.NetworkCreate,
    lifecycle: 'network-created',
  },
  'network.delete': {
    ...task,
    entity: 'network',
    cancellable: false,
    description: 'Deleting network',
    action: 'delete',
    input: inputs.NetworkTarget,
    lifecycle: 'network-deleted',
  },
  'volume.create': {
    ...task,
    entity: 'volume',
    description: 'Creating storage volume',
    action: 'create',
    input: inputs.VolumeCreate,
    lifecycle: 'storage-volume-created',
  },
  'volume.delete': {
    ...task,
    entity: 'volume',
    cancellable: false,
    description: 'Deleting storage volume',
    action: 'delete',
    input: inputs.VolumeTarget,
    lifecycle: 'storage-volume-deleted',
  },
  'project.rename': {
    ...task,
    entity: 'project',
    cancellable: false,
    description: 'Renaming project',
    action: 'rename',
    input: inputs.ProjectRename,
    lifecycle: 'project-renamed',
  },
  'certificate.invite': {
    class: 'token',
    place: 'store',
    cancellable: true,
    metadata: none,
    entity: 'certificate',
    description: 'Executing operation',
    action: 'token',
    input: inputs.CertificateInvite,
    lifecycle: undefined,
  },
  'server.reconcile': {
    ...task,
    entity: 'server',
    cancellable: false,
    description: 'Reconciling with the engines',
    action: 'reconcile',
    input: inputs.ServerReconcile,
    metadata: Reconciled,
    lifecycle: undefined,
  },
} as const satisfies Record<string, OperationSpec>

export type Kind = keyof typeof CATALOG
/** Kinds that workers perform, and kinds that an API process carries itself. */
export type WorkerKind = { [K in Kind]: (typeof CATALOG)[K]['place'] extends 'worker' ? K : never }[Kind]
export type ApiKind = { [K in Kind]: (typeof CATALOG)[K]['place'] extends 'api' ? K : never }[Kind]
export type InputOf<K extends Kind> = Static<(typeof CATALOG)[K]['input']>

/** Whether a word from outside names a kind. */
export function isKind(word: string): word is Kind {
  return Object.hasOwn(CATALOG, word)
}

/** Whether it is a job of the workers. */
export function isWorkerKind(kind: Kind): kind is WorkerKind {
  return CATALOG[kind].place === 'worker'
}
