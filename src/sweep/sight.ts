/** One look at a member's engine, and at what Redis has to say about everything that was seen there. */
import type {
  BackupRecord,
  ImageRecord,
  InstanceRecord,
  NetworkRecord,
  SnapshotRecord,
  VolumeBackupRecord,
  VolumeRecord,
  VolumeSnapshotRecord,
} from '../contract/records.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ContainerSummary, OwnLabels } from '../core/container.ts'
import type { Engine, ImageDetailSummary, NetworkDetail, VolumeDetail } from '../core/engine.ts'
import { isFinal } from '../core/operation-states.ts'
import type { OperationStore, RecordStore, Transfers } from '../core/ports.ts'

export type SweptEngine = Pick<Engine, 'member' | 'containers' | 'volumes' | 'images' | 'networks'>

export interface SightDeps {
  records: Pick<RecordStore, 'list' | 'unreadable'>
  store: Pick<OperationStore, 'getMany' | 'recent'>
  transfers: Pick<Transfers, 'look'>
}

/** What is kept of everything that an engine can hold. */
export interface Known {
  instances: InstanceRecord[]
  snapshots: SnapshotRecord[]
  backups: BackupRecord[]
  images: ImageRecord[]
  volumes: VolumeRecord[]
  volumeSnapshots: VolumeSnapshotRecord[]
  volumeBackups: VolumeBackupRecord[]
  networks: NetworkRecord[]
  /** Records that are there, but cannot be read: nothing of theirs is touched. */
  unreadable: Set<string>
}

/** What the operation that made an object is today. `unknown`: Redis has never heard of it, or has forgotten it. */
export type Maker = 'live' | 'ended' | 'unknown'

/** What carries our labels, and the records and operations that explain it. */
export interface Sight {
  engine: SweptEngine
  containers: ContainerSummary[]
  volumes: VolumeDetail[]
  images: ImageDetailSummary[]
  networks: NetworkDetail[]
  /** Images that some container, of whomever, was made from. */
  usedImages: Set<string>
  known: Known
  maker(own: OwnLabels): Maker
}

/**
 * The order makes it safe: first the engine, then the operations, then the records. What an operation has made that is
 * seen as ended has its record by then, if it ever gets one. For what nobody is known to have made the order is the
 * wrong one: it may have had a record that went, and itself with it, in between. Whether it is still there is asked last.
 */
export async function lookAt(deps: SightDeps, engine: SweptEngine, now: number): Promise<Sight> {
  const seen = await listAll(engine)
  const owned = ownedOf(seen)
  const makers = await makersOf(deps, new Set(owned.map(({ operation }) => operation)))
  const known = await readKnown(deps)
  const strange = owned.filter(({ operation, uuid }) => !makers.has(operation) && !hasRecord(known, uuid))
  const deleted = strange.length === 0 ? new Set<string>() : await deletedOf(deps, now)
  const { containers, volumes, images, networks } =
    strange.length === 0 ? seen : stillThere(seen, await listAll(engine))
  return {
    engine,
    containers: containers.filter((one) => isOurs(one) && !isHeir(one, images)),
    volumes,
    images,
    networks: networks.filter(isOurs),
    usedImages: new Set(seen.containers.map(({ imageId }) => imageId)),
    known,
    maker: (own) => makers.get(own.operation) ?? (isLeftByDeletion(known, deleted, own) ? 'ended' : 'unknown'),
  }
}

type Seen = Pick<Sight, 'containers' | 'volumes' | 'images' | 'networks'>

async function listAll({ containers, volumes, images, networks }: SweptEngine): Promise<Seen> {
  const [cs, vs, is, ns] = await Promise.all([containers.list(), volumes.find({}), images.list(), networks.list()])
  return { containers: cs, volumes: vs, images: is, networks: ns }
}

function ownedOf({ containers, volumes, images, networks }: Seen): OwnLabels[] {
  return [...containers, ...volumes, ...images, ...networks].flatMap(({ own }) => own ?? [])
}

/** As it was at the first look, without what has gone until the second. */
function stillThere(first: Seen, second: Seen): Seen {
  const containers = new Set(second.containers.map(({ id }) => id))
  const volumes = new Set(second.volumes.map(({ name }) => name))
  const networks = new Set(second.networks.map(({ id }) => id))
  const tags = new Map(second.images.map((image) => [image.id, image.tags]))
  return {
    containers: first.containers.filter(({ id }) => containers.has(id)),
    volumes: first.volumes.filter(({ name }) => volumes.has(name)),
    networks: first.networks.filter(({ id }) => networks.has(id)),
    images: first.images
      .filter(({ id }) => tags.has(id))
      .map((image) => ({ ...image, tags: image.tags.filter((tag) => tags.get(image.id)?.includes(tag)) })),
  }
}

function hasRecord({ unreadable, ...records }: Known, uuid: string): boolean {
  return unreadable.has(uuid) || Object.values(records).some((some) => some.some((one) => one.uuid === uuid))
}

/** The uuids of what operations have deleted within the hour. */
async function deletedOf({ store }: SightDeps, now: number): Promise<Set<string>> {
  const recent = await store.recent(undefined, now - LATE)
  const deletions = recent.filter(({ kind, state }) => kind.endsWith('.delete') && state === 'success')
  return new Set(deletions.map(({ entity }) => entity.id))
}

/** What was in use when it was deleted, or what it belongs to: it had to stay, and its maker may be forgotten by now. */
function isLeftByDeletion(known: Known, deleted: ReadonlySet<string>, { uuid, operation, origin }: OwnLabels): boolean {
  if (operation === '' || hasRecord(known, uuid)) return false
  const owner = /"(?:instance|parent)":"([^"]+)"/.exec(origin)?.[1] ?? ''
  return deleted.has(uuid) || deleted.has(owner)
}

/**
 * Made by others of an image that has our labels: of a commit of an instance, theirs or ours. Helpers of ours may be
 * made of images of their own operation and step as well, but those are never started.
 */
function isHeir({ own, imageId, status }: ContainerSummary, images: ImageDetailSummary[]): boolean {
  const inherited = images.find(({ id }) => id === imageId)?.inherited
  if (own === undefined || inherited === undefined || (own.role === 'helper' && status === 'created')) return false
  return own.role === inherited.role && own.operation === inherited.operation && own.step === inherited.step
}

function isOurs({ own }: { own: OwnLabels | undefined }): boolean {
  return own !== undefined
}

async function makersOf({ store, transfers }: SightDeps, ids: Set<string>): Promise<Map<string, Maker>> {
  ids.delete('')
  const all = [...ids]
  // Before the operations: a transfer that has just become one is found as that.
  const moving = await transfers.look(all)
  const operations = await store.getMany(all)
  return new Map<string, Maker>([
    ...[...moving].map(([id, state]) => [id, state === 'alive' ? 'live' : 'ended'] as const),
    ...operations.map(({ id, state }) => [id, isFinal(state) ? 'ended' : 'live'] as const),
  ])
}

/** Everything that is kept now. */
export async function readKnown({ records }: SightDeps): Promise<Known> {
  const [instances, snapshots, backups, images, networks] = await Promise.all([
    records.list('instance'),
    records.list('snapshot'),
    records.list('backup'),
    records.list('image'),
    records.list('network'),
  ])
  const [volumes, volumeSnapshots, volumeBackups] = await Promise.all([
    records.list('volume'),
    records.list('volume-snapshot'),
    records.list('volume-backup'),
  ])
  // After the lists: what a newer version is just rewriting is in one of them or in this.
  const uuids = new Set((await records.unreadable()).map(({ uuid }) => uuid))
  return {
    instances,
    snapshots,
    backups,
    images,
    volumes,
    volumeSnapshots,
    volumeBackups,
    networks,
    unreadable: uuids,
  }
}

/** How long after its end an operation is still looked through for what its late calls may have left; milliseconds. */
const LATE = 3_600_000

/** Of the operations that run or have ended within the hour: whether one speaks of this uuid, and has ended. */
export async function mentioned({ store }: SightDeps, uuids: string[], now: number): Promise<Map<string, Maker>> {
  if (uuids.length === 0) return new Map()
  const recent: OperationRecord[] = await store.recent(undefined, now - LATE)
  const told = recent.map(({ input, state }) => ({ text: JSON.stringify(input), isLive: !isFinal(state) }))
  return new Map(
    uuids.map((uuid) => {
      const about = told.filter(({ text }) => text?.includes(uuid))
      if (about.some(({ isLive }) => isLive)) return [uuid, 'live']
      return [uuid, about.length > 0 ? 'ended' : 'unknown']
    }),
  )
}
