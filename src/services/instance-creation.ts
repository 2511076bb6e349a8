/** Creating and copying instances: from the request to an accepted operation. */
import type { InstancesPost } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { NEVER } from '../contract/common.ts'
import type { ImageRecord, InstanceRecord, LeaseRecord, SnapshotRecord } from '../contract/records.ts'
import { macOf } from '../core/addresses.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, notFound, notImplemented } from '../core/failure.ts'
import { imageConfig } from '../core/image-properties.ts'
import { parseInstanceName } from '../core/names.ts'
import type { BusyClaim, Clock, NameClaim, RecordChange, RecordReader } from '../core/ports.ts'
import type { Kind } from '../operations/catalog.ts'
import { requireProject, requireRole, type Caller } from './caller.ts'
import type { Drafts } from './drafts.ts'
import type { Images } from './images.ts'
import { instanceResources, instanceUrl } from './instance-urls.ts'
import type { Leases } from './leases.ts'
import { toRefusal, type Operations, type Submission } from './operations.ts'

export interface InstanceCreationDeps {
  records: RecordReader
  operations: Operations
  images: Pick<Images, 'resolve'>
  leases: Leases
  drafts: Drafts
  clock: Clock
  /** LXD's name of the architecture of an instance without an image. */
  architecture: string
  /** The member new instances are placed on. */
  member: string
}

/** What stands between two requests for the same address: tried again with another one. */
const LEASE_TRIES = 20
const TAKEN = 'Failed creating instance record: Add instance info to the database: This "instances" entry already exists'

export function createInstanceCreation(deps: InstanceCreationDeps) {
  const { records, operations, clock } = deps

  async function create(caller: Caller, project: string, body: InstancesPost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    if ((await records.find('project', '', project)) === undefined) throw notFound('Project not found')
    if ((body.type ?? '') !== '' && body.type !== 'container') throw badRequest('Invalid instance type')
    if (body.stateful === true) throw badRequest('Stateful instances are not possible on Docker Engine')
    const name = body.name ? parseInstanceName(body.name) : pickName(clock.uuid())
    const type = body.source?.type ?? ''
    if (type === 'image') return fromImage(caller, project, name, body)
    if (type === 'copy') return copy(caller, project, name, body)
    if (type === 'none') return fromNothing(caller, project, name, body)
    if (type === 'migration') throw notImplemented('Migration between servers is not possible on Docker Engine')
    throw badRequest(`Unknown source type ${type}`)
  }

  async function fromImage(caller: Caller, project: string, name: string, body: InstancesPost): Promise<OperationRecord> {
    const source = await deps.images.resolve(caller, project, body.source ?? {})
    const { image } = source
    const profiles = body.profiles ?? (image.profiles.length > 0 ? image.profiles : ['default'])
    const draft = draftOf(project, name, { ...body, profiles }, image)
    const from =
      source.type === 'registry'
        ? { type: 'registry' as const, reference: source.reference, image: source.image }
        : { type: 'image' as const, image: image.uuid }
    const use: BusyClaim[] = source.type === 'registry' ? [] : [{ key: `image:${image.uuid}`, mode: 'use', action: 'create' }]
    const secret = source.type === 'registry' ? source.credentials : undefined
    return submitNew(caller, draft, use, (made) => ({
      kind: 'instance.create',
      input: { draft: made, source: from, start: body.start ?? false },
      resources: instanceResources(made),
      secret,
    }))
  }

  async function fromNothing(caller: Caller, project: string, name: string, body: InstancesPost): Promise<OperationRecord> {
    const draft = draftOf(project, name, { ...body, profiles: body.profiles ?? ['default'] }, undefined)
    return submitNew(caller, draft, [], (made) => ({
      kind: 'instance.create',
      input: { draft: made, source: { type: 'none' }, start: false },
      resources: instanceResources(made),
    }))
  }

  async function copy(caller: Caller, project: string, name: string, body: InstancesPost): Promise<OperationRecord> {
    const [sourceName = '', snapshotName] = (body.source?.source ?? '').split('/')
    if (sourceName === '') throw badRequest('Must specify a source instance')
    if (body.source?.refresh === true) throw notImplemented('Refreshing a copy is not supported; delete it and copy again')
    const sourceProject = body.source?.project || project
    requireProject(caller, sourceProject)
    const source = await records.find('instance', sourceProject, sourceName)
    if (source === undefined) throw notFound('Instance not found')
    const snapshot = snapshotName === undefined ? undefined : await findSnapshot(source, snapshotName)
    const draft = copyOf(project, name, body, source, snapshot)
    const only = (body.source?.instance_only ?? body.source?.container_only ?? false) || snapshot !== undefined
    const snapshots = only ? [] : await snapshotCopies(source, draft)
    // A running source is frozen while it is read, a stopped one only read.
    const use: BusyClaim[] = [{ key: `instance:${source.uuid}`, mode: 'own', action: 'copy' }]
    return submitNew(caller, draft, use, (made) => ({
      kind: 'instance.copy',
      input: { draft: made, source: { instance: source.uuid, snapshot: snapshot?.uuid ?? '' }, snapshots },
      resources: instanceResources(made, source),
    }))
  }

  async function findSnapshot(source: InstanceRecord, name: string): Promise<SnapshotRecord> {
    const snapshot = await records.find('snapshot', source.uuid, name)
    if (snapshot !== undefined) return snapshot
    throw notFound(
      `Failed to fetch snapshot "${name}" of instance "${source.name}" in project "${source.project}": InstanceSnapshot not found`,
    )
  }

  async function snapshotCopies(source: InstanceRecord, draft: InstanceRecord) {
    const snapshots = await records.list('snapshot', source.uuid)
    return snapshots.map((snapshot) => ({
      from: snapshot.uuid,
      record: { ...snapshot, uuid: clock.uuid(), rev: 0, project: draft.project, instance: draft.uuid },
    }))
  }

  type Rest<K extends Kind> = Pick<Submission<K>, 'kind' | 'input' | 'resources' | 'secret'>

  /** Accepts the operation together with the addresses its instance gets. */
  async function submitNew<K extends Kind>(
    caller: Caller,
    draft: InstanceRecord,
    busy: BusyClaim[],
    rest: (draft: InstanceRecord) => Rest<K>,
  ): Promise<OperationRecord> {
    const { devices } = await deps.drafts.expand(draft.project, draft)
    const names: NameClaim[] = [{ noun: 'instance', scope: draft.project, name: draft.name }]
    const own: BusyClaim = { key: `instance:${draft.uuid}`, mode: 'own', action: 'create' }
    for (let tries = 1; ; tries++) {
      const leases = await deps.leases.take(draft, devices)
      await deps.drafts.check(caller.role, draft, leases)
      const made = withAddresses(draft, leases)
      const submitted = await operations.trySubmit(caller, {
        ...rest(made),
        project: draft.project,
        member: draft.member,
        entity: { id: draft.uuid, name: draft.name, url: instanceUrl(draft) },
        names,
        taken: TAKEN,
        busy: [own, ...busy],
        changes: leases.map((record): RecordChange => ({ change: 'put', noun: 'lease', record })),
        provisional: leases.map(({ uuid }) => ({ noun: 'lease', uuid })),
      })
      if (submitted.outcome === 'accepted') return submitted.operation
      if (!isLeaseLost(submitted) || tries >= LEASE_TRIES) throw toRefusal(submitted, TAKEN)
    }
  }

  function draftOf(project: string, name: string, body: InstancesPost, image: ImageRecord | undefined): InstanceRecord {
    const uuid = clock.uuid()
    const base = image === undefined || image.name === '' ? {} : { 'volatile.base_image': image.name }
    return {
      v: 1,
      rev: 0,
      uuid,
      project,
      name,
      member: deps.member,
      container: '',
      image: image?.name ?? '',
      engineImage: image?.engineImage ?? '',
      boot: image?.boot ?? 'application',
      architecture: image?.architecture ?? deps.architecture,
      description: body.description ?? '',
      config: { ...imageConfig(image?.properties ?? {}), ...base, ...withoutEmpty(body.config ?? {}), 'volatile.uuid': uuid },
      devices: body.devices ?? {},
      profiles: body.profiles ?? ['default'],
      ephemeral: body.ephemeral ?? false,
      created_at: new Date(clock.now()).toISOString(),
      last_used_at: NEVER,
      power: 'stopped',
      volumes: [],
    }
  }

  /** A copy takes over what the request leaves out; what is the source's alone (addresses, identity) it does not. */
  function copyOf(
    project: string,
    name: string,
    body: InstancesPost,
    source: InstanceRecord,
    snapshot: SnapshotRecord | undefined,
  ): InstanceRecord {
    const from = snapshot ?? source
    const inherited = Object.entries(from.config).filter(
      ([key]) => !key.startsWith('volatile.') || key === 'volatile.base_image',
    )
    const draft = draftOf(project, name, { ...body, profiles: body.profiles ?? from.profiles }, undefined)
    return {
      ...draft,
      member: source.member,
      image: from.image,
      engineImage: from.engineImage,
      boot: from.boot,
      architecture: from.architecture,
      description: body.description || from.description,
      config: { ...Object.fromEntries(inherited), ...draft.config },
      devices: body.devices ?? from.devices,
    }
  }

  return { create }
}


/** LXD keeps a nic's MAC in the instance's config, where clients look for it. */
function withAddresses(draft: InstanceRecord, leases: LeaseRecord[]): InstanceRecord {
  const macs = leases.map((lease) => [`volatile.${lease.device}.hwaddr`, macOf(lease.name)])
  return { ...draft, config: { ...Object.fromEntries(macs), ...draft.config } }
}

function isLeaseLost(refusal: { outcome: string; noun?: string; claim?: NameClaim }): boolean {
  return (refusal.outcome === 'changed' && refusal.noun === 'lease') || refusal.claim?.noun === 'lease'
}

const FIRST = ['bold', 'calm', 'deft', 'eager', 'fair', 'glad', 'keen', 'neat', 'proud', 'quick', 'sound', 'tidy', 'warm', 'wise']
const SECOND = ['anchor', 'beacon', 'bollard', 'capstan', 'davit', 'fender', 'galley', 'halyard', 'keel', 'mast', 'rudder', 'sheave']

/** A name for who gives none, drawn from a random uuid. */
function pickName(uuid: string): string {
  const number = Number.parseInt(uuid.slice(0, 8), 16)
  return `${FIRST[number % FIRST.length]}-${SECOND[Math.floor(number / 64) % SECOND.length]}-${uuid.slice(0, 4)}`
}
