/** Creating and copying instances: from the request to an accepted operation. */
import type { Config } from '../contract/common.ts'
import type { InstancesPost } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, ProjectRecord, SnapshotRecord } from '../contract/records.ts'
import { keepIdentity } from '../core/config-keys.ts'
import { badRequest, notFound, notImplemented } from '../core/failure.ts'
import { withoutEmpty } from '../core/expand.ts'
import { limitsOfType } from '../core/instance-type.ts'
import { parseInstanceName, splitSource } from '../core/names.ts'
import type { BusyClaim, Clock, NameClaim, RecordChange, RecordReader } from '../core/ports.ts'
import type { InputOf, Kind } from '../operations/catalog.ts'
import { submitInRoom, type ProjectRoom } from './project-room.ts'
import { requireProject, requireRole, type Caller } from './caller.ts'
import type { Drafts } from './drafts.ts'
import { keepFeatures, loadProject } from './homes.ts'
import type { ImageLookup, Resolved } from './image-lookup.ts'
import type { ImageUsed } from './image-use.ts'
import { copyDraft, draftOf, pickName, withAddresses, type Basis } from './instance-draft.ts'
import type { InstanceRefresh } from './instance-refresh.ts'
import { instanceResources, instanceUrl } from './instance-urls.ts'
import { withMounts, withProfiles } from './mounts.ts'
import { claimOf, putNickname, type Nickname } from './nicknames.ts'
import { usesOf, type Leases } from './leases.ts'
import type { Operations, Submission } from './operations.ts'

export interface InstanceCreationDeps {
  records: RecordReader
  operations: Operations
  images: Pick<ImageLookup, 'resolve'>
  imageUsed: ImageUsed
  leases: Leases
  drafts: Drafts
  refresh: InstanceRefresh
  room: ProjectRoom
  clock: Clock
  /** LXD's name of the architecture of an instance without an image. */
  architecture: string
  /** The member new instances are placed on. */
  member: string
}

/** Whom an instance is made for. */
export interface NewInstance {
  caller: Caller
  /** Its project as it was when the request began. */
  begun: ProjectRecord
  nicknames: Nickname[]
  /** Said where its name is taken. */
  taken?: string
}

interface Order extends NewInstance {
  project: string
  /** Checked. */
  name: string
  body: InstancesPost
}

const TAKEN =
  'Failed creating instance record: Add instance info to the database: This "instances" entry already exists'

export type InstanceCreation = ReturnType<typeof createInstanceCreation>

export function createInstanceCreation(deps: InstanceCreationDeps) {
  const { records, operations, clock } = deps

  /** `nickname`: a dialect's own name for it, or several, each of which must be free there. */
  async function create(
    caller: Caller,
    project: string,
    body: InstancesPost,
    nickname: Nickname | Nickname[] = [],
  ): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    const begun = await loadProject(records, project)
    refuseOtherKinds(body)
    const name = body.name ? parseInstanceName(body.name) : pickName(clock.uuid())
    const type = body.source?.type ?? ''
    const verb = SOURCES.get(type)
    if (verb === undefined) throw badRequest(`Unknown source type ${type}`)
    const config = { ...limitsOfType(body.instance_type ?? ''), ...withoutEmpty(body.config ?? {}) }
    return verb({ caller, begun, project, name, body: { ...body, config }, nicknames: [nickname].flat() })
  }

  async function fromImage(order: Order): Promise<OperationRecord> {
    const { caller, project, name, body } = order
    const source = await deps.images.resolve(caller, project, body.source ?? {})
    const { image } = source
    const profiles = body.profiles ?? (image.profiles.length > 0 ? image.profiles : ['default'])
    const draft = draftOf(basisOf(project, name), { ...body, profiles }, image)
    const use: BusyClaim[] =
      source.type === 'image' ? [{ key: `image:${image.uuid}`, mode: 'use', action: 'create' }] : []
    const accepted = await submitNew(order, draft, use, (made) => ({
      kind: 'instance.create',
      input: { draft: made, source: toInput(source), start: body.start ?? false },
      resources: instanceResources(made),
      secret: source.type === 'server' ? source.secret : undefined,
    }))
    if (source.type === 'image') await deps.imageUsed(image)
    return accepted
  }

  async function fromNothing(order: Order): Promise<OperationRecord> {
    const draft = draftOf(basisOf(order.project, order.name), order.body, undefined)
    return submitNew(order, draft, [], (made) => ({
      kind: 'instance.create',
      input: { draft: made, source: { type: 'none' }, start: false },
      resources: instanceResources(made),
    }))
  }

  async function copy(order: Order): Promise<OperationRecord> {
    const { caller, project, name, body } = order
    const { source, snapshot } = await sourceOf(caller, project, body.source ?? {})
    const there = body.source?.refresh === true ? await records.find('instance', project, name) : undefined
    if (there !== undefined) {
      if (snapshot !== undefined) throw badRequest('A copy is refreshed from an instance, not from a snapshot')
      return deps.refresh(caller, { copy: there, source, instanceOnly: isInstanceOnly(body) })
    }
    const basis = { ...basisOf(project, name), member: source.member }
    const draft = copyDraft(basis, { ...body, config: await ownConfig(body.config ?? {}) }, snapshot ?? source)
    const only = snapshot !== undefined || isInstanceOnly(body)
    const snapshots = only ? [] : await snapshotCopies(source, draft)
    // A running source is frozen while it is read: nobody else may change it meanwhile.
    const use: BusyClaim[] = [{ key: `instance:${source.uuid}`, mode: 'own', action: 'copy' }]
    return submitNew(order, draft, use, (made) => ({
      kind: 'instance.copy',
      input: { draft: made, source: { instance: source.uuid, snapshot: snapshot?.uuid ?? '' }, snapshots },
      resources: instanceResources(made, source),
    }))
  }

  /** A client that would refresh a copy sends the source's config with its MACs. */
  async function ownConfig(given: Config): Promise<Config> {
    const others = await records.list('instance')
    return keepIdentity(
      {},
      given,
      others.map(({ config }) => config),
    )
  }

  async function sourceOf(caller: Caller, project: string, given: NonNullable<InstancesPost['source']>) {
    const { name, snapshotName } = splitSource(given.source ?? '')
    if (name === '') throw badRequest('Must specify a source instance')
    const sourceProject = given.project || project
    requireProject(caller, sourceProject)
    const source = await records.find('instance', sourceProject, name)
    if (source === undefined)
      throw notFound(`Failed to fetch instance "${name}" in project "${sourceProject}": Instance not found`)
    return { source, snapshot: snapshotName === undefined ? undefined : await findSnapshot(source, snapshotName) }
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

  type Rest<K extends Kind> = Pick<Submission<K>, 'id' | 'kind' | 'input' | 'resources' | 'secret'>

  /** Accepts the operation together with the addresses its instance gets. */
  async function submitNew<K extends Kind>(
    { caller, begun, nicknames, taken = TAKEN }: NewInstance,
    draft: InstanceRecord,
    busy: BusyClaim[],
    rest: (draft: InstanceRecord) => Rest<K>,
  ): Promise<OperationRecord> {
    const names: NameClaim[] = [{ noun: 'instance', scope: draft.project, name: draft.name }, ...nicknames.map(claimOf)]
    const own: BusyClaim = { key: `instance:${draft.uuid}`, mode: 'own', action: 'create' }
    const make = async () => {
      // A profile may have been changed since it was looked at before.
      const { config, devices, inherited } = await deps.drafts.expand(draft.project, draft, 'create')
      const room = await deps.room.take(draft.project, [{ ...draft, config, devices }])
      // What is changed later is noticed by the room.
      await keepFeatures(records, begun)
      const leases = await deps.leases.take(draft, devices)
      await deps.drafts.check(caller.role, draft, leases)
      const made = withAddresses(draft, leases)
      const claiming = withProfiles(inherited, {
        ...rest(made),
        project: draft.project,
        member: draft.member,
        entity: { id: draft.uuid, name: draft.name, url: instanceUrl(draft) },
        names,
        taken,
        busy: [own, ...busy, ...usesOf(leases, 'create')],
        changes: [
          ...room,
          ...leases.map((record): RecordChange => ({ change: 'put', noun: 'lease', record })),
          ...nicknames.map((nickname) => putNickname(nickname, draft, clock.uuid())),
        ],
      })
      return withMounts(records, draft.project, devices, claiming)
    }
    return submitInRoom(operations, caller, make, isLeaseLost)
  }

  const basisOf = (project: string, name: string): Basis => ({
    uuid: clock.uuid(),
    project,
    name,
    member: deps.member,
    architecture: deps.architecture,
    at: new Date(clock.now()).toISOString(),
  })

  const SOURCES = new Map<string, typeof fromImage>([
    ['image', fromImage],
    ['copy', copy],
    ['none', fromNothing],
    ['migration', refuseMigration],
  ])

  return { create, submitNew, basisOf }
}

/** What the worker is to make it from. */
function toInput(source: Resolved): InputOf<'instance.create'>['source'] {
  switch (source.type) {
    case 'image':
      return { type: 'image', image: source.image.uuid }
    case 'registry':
      return { type: 'registry', reference: source.reference, image: source.image }
    case 'server':
      return { type: 'server', from: source.from, image: source.image }
  }
}

function refuseOtherKinds({ type, stateful }: InstancesPost): void {
  if ((type ?? '') !== '' && type !== 'container') throw badRequest('Invalid instance type')
  if (stateful === true) throw badRequest('Stateful instances are not possible on Docker Engine')
}

function refuseMigration(): Promise<OperationRecord> {
  throw notImplemented('Migration between servers is not possible on Docker Engine')
}

function isInstanceOnly({ source }: InstancesPost): boolean {
  return source?.instance_only ?? source?.container_only ?? false
}

function isLeaseLost(refusal: { outcome: string; noun?: string; claim?: NameClaim }): boolean {
  return (refusal.outcome === 'changed' && refusal.noun === 'lease') || refusal.claim?.noun === 'lease'
}
