/**
 * Every kind of operation, once. The kind union, the job type, the handlers' map, the 202 schemas, the OpenAPI links
 * and the loops of the tests are derived from this table and stated nowhere else.
 */
import Type, { type Static } from 'typebox'
import { Reconciled } from '../contract/reconcile.ts'
import * as inputs from './inputs.ts'
import { INSTANCE_KINDS } from './instance-kinds.ts'
import { none, task, type OperationSpec } from './spec.ts'
import { VOLUME_KINDS } from './volume-kinds.ts'

const published = Type.Object({ fingerprint: Type.String(), size: Type.Optional(Type.String()) })
const onImage = { ...task, entity: 'image' } as const

export const CATALOG = {
  ...INSTANCE_KINDS,
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
  'image.await': {
    ...onImage,
    class: 'token',
    place: 'store',
    description: 'Image download token',
    action: 'secret',
    input: inputs.ImageAwait,
    lifecycle: undefined,
  },
  'image.push': {
    ...onImage,
    description: 'Downloading image',
    action: 'push',
    input: inputs.ImagePush,
    lifecycle: 'image-retrieved',
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
  'network.rename': {
    ...task,
    entity: 'network',
    description: 'Renaming network',
    action: 'rename',
    input: inputs.NetworkRename,
    lifecycle: 'network-renamed',
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
  ...VOLUME_KINDS,
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
    claim: 'own',
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
