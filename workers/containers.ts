/** What the handlers of instances share: from a record to its container and to the spec of a new one. */
import type { InstanceRecord, ProfileRecord, SnapshotRecord } from '../src/contract/records.ts'
import { expandConfig, expandDevices } from '../src/core/expand.ts'
import { toContainerSpec } from '../src/core/container-spec.ts'
import { rootSize } from '../src/core/devices.ts'
import { checkPolicy } from '../src/core/policy.ts'
import type { ContainerDetail, ContainerSpec } from '../src/core/container.ts'
import type { ImageDetail } from '../src/core/engine.ts'
import { badRequest, conflict, internal, notFound } from '../src/core/failure.ts'
import { checkForeign, foreignRecord, isForeign, isShownAsForeign } from '../src/core/foreign.ts'
import { restrictionFault } from '../src/core/restrictions.ts'
import { dockerName } from '../src/core/names.ts'
import type { Observed, RecordChange } from '../src/core/ports.ts'
import { homeOf } from '../src/core/project-features.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { observe, type Context } from './steps.ts'

type AnyContext = Context<Kind>

export async function loadInstance(context: AnyContext, uuid: string): Promise<InstanceRecord> {
  const instance = (await context.records.get('instance', uuid)) ?? (await foreignInstance(context, uuid))
  if (instance === undefined) throw notFound('Instance not found')
  return instance
}

/** The container of the instance that an operation was about, as it has left it; nothing where that cannot be seen. */
export async function observeSubject(context: AnyContext): Promise<Observed[]> {
  const uuid = subjectOf(context.input)
  if (uuid === undefined) return []
  try {
    const { container } = await loadInstance(context, uuid)
    const detail = await context.engine.containers.inspect(container, context.signal)
    return detail === undefined ? [] : [observe(context.engine.member, detail)]
  } catch {
    return []
  }
}

/** The instance that is changed, or the one that is copied. */
function subjectOf(input: AnyContext['input']): string | undefined {
  if ('instance' in input) return input.instance
  return 'source' in input && 'instance' in input.source ? input.source.instance : undefined
}

/** A container made by others goes by the engine's id; the role that asked is checked on what it is now. */
async function foreignInstance(context: AnyContext, id: string): Promise<InstanceRecord | undefined> {
  if (!/^[0-9a-f]{64}$/.test(id)) return undefined
  const detail = await context.engine.containers.inspect(id, context.signal)
  if (detail === undefined || !isShownAsForeign(detail)) return undefined
  checkForeign(context.operation.role, detail)
  return foreignRecord(context.engine.member, detail)
}

/** The record as it is to become; of a container made by others there is none. */
export function putInstance(record: InstanceRecord): RecordChange[] {
  return isForeign(record) ? [] : [{ change: 'put', noun: 'instance', record }]
}

export async function loadSnapshot(context: AnyContext, uuid: string): Promise<SnapshotRecord> {
  const snapshot = await context.records.get('snapshot', uuid)
  if (snapshot === undefined) throw notFound('Snapshot not found')
  return snapshot
}

/** The container that is the instance now. One that somebody removed behind our back is told as such. */
export async function containerOf(context: AnyContext, instance: InstanceRecord): Promise<ContainerDetail> {
  const detail = await context.engine.containers.inspect(instance.container, context.signal)
  if (detail === undefined)
    throw conflict(
      `The container of instance "${instance.name}" is gone from the engine; restore a snapshot or delete the instance`,
    )
  return detail
}

/** Every profile named, in order. */
export async function loadProfiles(context: AnyContext, instance: InstanceRecord): Promise<ProfileRecord[]> {
  return named(await findProfiles(context, instance), instance)
}

async function findProfiles({ records }: AnyContext, { project, profiles }: InstanceRecord) {
  const home = await homeOf(records, project, 'profile')
  return Promise.all(profiles.map((name) => records.find('profile', home, name)))
}

/** Not-found for one that is not there. */
function named(found: readonly (ProfileRecord | undefined)[], { profiles }: InstanceRecord): ProfileRecord[] {
  return found.map((profile, at) => {
    if (profile === undefined) throw notFound(`Requested profile "${profiles[at]}" doesn't exist`)
    return profile
  })
}

/** Under this name a container is made; it takes its own name as the last step. */
export function temporaryName(context: AnyContext): string {
  return `op-${context.operation.id}`
}

export function finalName(instance: { project: string; name: string }): string {
  return dockerName(instance.project, instance.name)
}

/** Images that were looked at in a turn: an id never means another one. */
const images = new WeakMap<AnyContext, Map<string, ImageDetail>>()

/** The engine's image of this id, or the reason why there is none. */
export async function imageOf(context: AnyContext, id: string): Promise<ImageDetail> {
  const known = images.get(context) ?? new Map<string, ImageDetail>()
  images.set(context, known)
  const image = known.get(id) ?? (await context.engine.images.inspect(id, context.signal))
  if (image === undefined) throw internal(`The engine has no image ${id} any more`)
  known.set(id, image)
  return image
}

/** What `specOf` asks for. */
function readingsForSpec(context: AnyContext, instance: InstanceRecord) {
  const { records, engine, signal } = context
  return [
    records.find('project', '', instance.project),
    findProfiles(context, instance),
    records.list('network'),
    records.owned('lease', instance.uuid),
    homeOf(records, instance.project, 'volume').then((home) => records.list('volume', home)),
    engine.info(signal),
  ] as const
}

/** Asks for all that `specOf` will need while the engine is asked for something else. */
export function foreseeSpec(context: AnyContext, instance: InstanceRecord): void {
  // What fails is met where it is needed.
  for (const reading of readingsForSpec(context, instance)) reading.catch(() => undefined)
}

/** Everything a new container of this instance is made with, checked against what its requestor and its project may do. */
export async function specOf(
  context: AnyContext,
  instance: InstanceRecord,
  image: ImageDetail,
  fresh: readonly string[],
): Promise<ContainerSpec> {
  const [project, found, networks, leases, volumes, host] = await Promise.all(readingsForSpec(context, instance))
  const profiles = named(found, instance)
  const config = expandConfig(profiles, instance.config)
  const devices = expandDevices(profiles, instance.devices)
  // A profile may have been changed since the operation was accepted.
  const fault = restrictionFault(project?.config ?? {}, { config, devices })
  if (fault !== undefined) throw badRequest(fault)
  tellOfSize(context, rootSize(devices))
  const spec = toContainerSpec({
    instance,
    config,
    devices,
    image,
    networks,
    leases,
    volumes,
    host: { cpus: host.cpus, memoryBytes: host.memoryBytes },
    labels: context.labels({ role: 'instance', uuid: instance.uuid, project: instance.project, origin: instance }),
    name: temporaryName(context),
    fresh,
  })
  checkPolicy(context.operation.role, spec, config)
  const isBare = [...image.command, ...image.entrypoint].length === 0 && (spec.command ?? spec.entrypoint) === undefined
  // The engine refuses a container without a command; an empty instance gets its files, and an init, later.
  return isBare ? { ...spec, command: ['/sbin/init'] } : spec
}

/** No storage driver that Docker Engine usually has can hold a container to a size. */
export function tellOfSize(context: AnyContext, size: string): void {
  if (size !== '') context.warn(`The root disk's size of ${size} is kept, but Docker Engine does not enforce it`)
}

/**
 * A new container. One of an earlier attempt goes: it may lack what is added to it after its creation. `fresh` are the
 * paths of volumes that are to be filled from the image.
 */
export async function makeContainer(
  context: AnyContext,
  instance: InstanceRecord,
  image: ImageDetail,
  fresh: readonly string[],
): Promise<string> {
  const spec = await specOf(context, instance, image, fresh)
  if (context.again) await unmakeContainer(context)
  return context.engine.containers.create(spec, context.signal)
}

/** Removes what `makeContainer` made, however far it came. */
export async function unmakeContainer(context: AnyContext): Promise<string | undefined> {
  const { containers } = context.engine
  const made = await containers.find({ operation: context.operation.id, role: 'instance' }, context.signal)
  for (const container of made) await containers.remove(container.id, { force: true }, context.signal)
  return made.length === 0 ? undefined : 'Removed the new container'
}

/** How the turn's last change has left a container, for the end that follows. */
const left = new WeakMap<AnyContext, ContainerDetail>()

/** Nothing changes the container any more before the end of the operation. */
export function leaveAs(context: AnyContext, detail: ContainerDetail): void {
  left.set(context, detail)
}

/** Waits for nothing: a container whose program is missing has already exited when it is looked at. */
export async function startContainer(context: AnyContext, container: string): Promise<ContainerDetail> {
  await context.engine.containers.start(container, context.signal)
  const detail = await context.engine.containers.inspect(container, context.signal)
  if (detail === undefined) throw internal('The container vanished while it was started')
  if (detail.status === 'exited' && (detail.exitCode === 127 || detail.exitCode === 126))
    throw conflict(
      `The instance's program could not be run: ${detail.command.join(' ')} (exit code ${detail.exitCode})`,
    )
  leaveAs(context, detail)
  return detail
}

/** `containerOf` for the end of an operation, which need not look again where its last change has. */
export async function seenContainer(context: AnyContext, instance: InstanceRecord): Promise<ContainerDetail> {
  const detail = left.get(context)
  // Once: an end that is tried again comes later.
  left.delete(context)
  return detail?.id === instance.container ? detail : containerOf(context, instance)
}
