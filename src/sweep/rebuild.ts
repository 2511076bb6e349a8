/**
 * Records of what the engine holds although Redis knows nothing of it: Redis was lost, or is an older one than the
 * engine. They are what labels say, as it was when the object was made, and what the engine says today.
 */
import Schema from 'typebox/schema'
import { RECORDS, type AnyRecord, type InstanceRecord, type LeaseRecord, type Noun } from '../contract/records.ts'
import type { ContainerDetail, ContainerSummary, OwnLabels } from '../core/container.ts'
import type { ImageDetailSummary } from '../core/engine.ts'
import { parseDockerName } from '../core/names.ts'
import { imageTag, snapshotTag } from '../core/own-tags.ts'
import type { Clock, RecordChange, RecordStore } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import type { Mend, Warn } from './mend.ts'
import type { Sight } from './sight.ts'

export interface RebuildDeps {
  records: Pick<RecordStore, 'list' | 'get' | 'find' | 'write'>
  clock: Clock
  warnings: Warn
  /** What a project of this name begins with. */
  newProject(name: string): RecordChange[]
}

const REASON = 'The engine has it, and Redis has no record of it'

/** Networks first, for instances have addresses on them; then what instances are made of; what belongs to something after it. */
export function findRebuildable(deps: RebuildDeps, sight: Sight): Mend[] {
  return [
    ...lostNetworks(deps, sight),
    ...lostVolumes(deps, sight),
    ...lostOfVolumes(deps, sight),
    ...lostImages(deps, sight),
    ...lostInstances(deps, sight),
    ...lostSnapshots(deps, sight),
    ...lostBackups(deps, sight),
  ]
}

/** Made by nobody whom this Redis knows, and of no record. */
function isLost({ maker, known }: Sight, own: OwnLabels | undefined): own is OwnLabels {
  return own !== undefined && maker(own) === 'unknown' && !known.unreadable.has(own.uuid)
}

function rebuilding(
  deps: RebuildDeps,
  what: { noun: Noun; own: OwnLabels },
  make: () => Promise<RecordChange[]>,
): Mend {
  const { noun, own } = what
  return {
    action: 'rebuild',
    object: `${noun} ${originName(own)} of project ${own.project} (${own.uuid})`,
    reason: REASON,
    uuid: own.uuid,
    mend: async () => {
      const changes = await make()
      if (changes.length === 0 || !(await write(deps, own, changes))) return false
      await deps.warnings.raise({
        key: rebuiltKey(noun, own.uuid),
        type: 'Record rebuilt',
        severity: 'moderate',
        message: `Redis had no record of this ${noun}: it was rebuilt from what its engine holds, with the configuration it was made with`,
        project: own.project,
      })
      return true
    },
  }
}

/** The warning that says so; as long as it is there a dump may bring the record as it was. */
export function rebuiltKey(noun: Noun, uuid: string): string {
  return `rebuilt:${noun}:${uuid}`
}

/** With its project, if that is gone too. Somebody else may have been first. */
async function write({ records, clock, newProject }: RebuildDeps, { project }: OwnLabels, changes: RecordChange[]) {
  const hasProject = project === '' || (await records.find('project', '', project)) !== undefined
  // What a server begins with is made when it starts, and nothing is rebuilt before.
  if (!hasProject && project === 'default' && !changes.some(({ noun }) => noun === 'network')) return false
  if (!hasProject && project !== 'default') await records.write({ changes: newProject(project), at: clock.now() })
  return (await records.write({ changes, at: clock.now() })).outcome === 'written'
}

/** What the label says of the record when the object was made; undefined where it says nothing of that kind. */
function originOf<N extends Noun>(noun: N, own: OwnLabels) {
  try {
    const origin: unknown = JSON.parse(own.origin)
    const fresh = typeof origin === 'object' && origin !== null ? { ...origin, rev: 0 } : undefined
    if (!Schema.Compile(RECORDS[noun]).Check(fresh)) return undefined
    return fresh as Extract<AnyRecord, { noun: N }>['record'] // checked against this noun's schema just above
  } catch {
    return undefined
  }
}

function originName({ origin, uuid }: OwnLabels): string {
  return /"name":"([^"]+)"/.exec(origin)?.[1] ?? uuid
}

function lostNetworks(deps: RebuildDeps, sight: Sight): Mend[] {
  return sight.networks.flatMap(({ id, own }) => {
    if (!isLost(sight, own) || sight.known.networks.some((one) => one.network === id)) return []
    const record = originOf('network', own)
    if (record === undefined || isTaken(sight.known.networks, record)) return []
    const put = { change: 'put', noun: 'network', record: { ...record, network: id } } as const
    return [rebuilding(deps, { noun: 'network', own }, async () => [put])]
  })
}

/** There already, or somebody else goes by its name by now. */
function isTaken(known: Named[], { uuid, project, name }: Named): boolean {
  return known.some((one) => one.uuid === uuid || (one.project === project && one.name === name))
}

type Named = Pick<InstanceRecord, 'uuid' | 'project' | 'name'>

/** Custom ones: an instance's own come back with the instance. */
function lostVolumes(deps: RebuildDeps, sight: Sight): Mend[] {
  // Of two, one is what a restore has put aside.
  const newest = sight.volumes.toSorted((a, b) => b.created - a.created)
  return newest.flatMap(({ name, own }) => {
    if (!isLost(sight, own) || own.role !== 'volume') return []
    const record = originOf('volume', own)
    if (record === undefined || isTaken(sight.known.volumes, record)) return []
    const put = { change: 'put', noun: 'volume', record: { ...record, volume: name } } as const
    return [rebuilding(deps, { noun: 'volume', own }, async () => [put])]
  })
}

function lostImages(deps: RebuildDeps, sight: Sight): Mend[] {
  return sight.images.flatMap((image) => {
    const { own } = image
    if (!isLost(sight, own) || own.role !== 'image' || !image.tags.includes(imageTag(own.uuid))) return []
    const record = originOf('image', own)
    if (record === undefined) return []
    const put = putImage(sight, image, record)
    if (isTaken(sight.known.images, put.record)) return []
    return [rebuilding(deps, { noun: 'image', own }, async () => [put])]
  })
}

/** One that was published is known by its tarball's checksum, which no label says: it goes by its engine's id now. */
function putImage(sight: Sight, image: ImageDetailSummary, record: NonNullable<ReturnType<typeof originOf<'image'>>>) {
  const kept = sight.volumes.find(({ own }) => own?.role === 'tarball' && own.uuid === record.uuid)
  const isNamed = record.name !== ''
  const name = isNamed ? record.name : image.id.replace('sha256:', '')
  const tarball = isNamed ? (kept?.name ?? '') : ''
  const size = isNamed ? record.size : image.size
  return { change: 'put', noun: 'image', record: { ...record, name, size, tarball, engineImage: image.id } } as const
}

/** Of several containers of one instance the one that has its name, else the newest, is the instance. */
function lostInstances(deps: RebuildDeps, sight: Sight): Mend[] {
  const lost = sight.containers.filter(({ own }) => isLost(sight, own) && own.role === 'instance')
  return [...Map.groupBy(lost, ({ own }) => own?.uuid ?? '')].flatMap(([uuid, containers]) => {
    const known = sight.known.instances.find((instance) => instance.uuid === uuid)
    // A record whose container is there needs no other one.
    if (known !== undefined && sight.containers.some(({ id }) => id === known.container)) return []
    const [container] = containers.toSorted(
      (a, b) => Number(hasOwnName(b)) - Number(hasOwnName(a)) || b.created - a.created,
    )
    const own = container?.own
    if (container === undefined || own === undefined || originOf('instance', own) === undefined) return []
    return [
      rebuilding(deps, { noun: 'instance', own }, async () =>
        (await hasContainer(deps, sight, uuid)) ? [] : putInstance(deps, sight, container, own),
      ),
    ]
  })
}

/** It may have got another one since the engine was looked at. */
async function hasContainer({ records }: RebuildDeps, { engine }: Sight, uuid: string): Promise<boolean> {
  const now = await records.get('instance', uuid)
  return now !== undefined && (await engine.containers.inspect(now.container)) !== undefined
}

function hasOwnName({ name, own }: ContainerSummary): boolean {
  return parseDockerName(name, own?.project ?? '') !== undefined
}

async function putInstance(
  deps: RebuildDeps,
  sight: Sight,
  container: ContainerSummary,
  own: OwnLabels,
): Promise<RecordChange[]> {
  const [origin, detail, now] = [
    originOf('instance', own),
    await sight.engine.containers.inspect(container.id),
    await deps.records.get('instance', own.uuid),
  ]
  if (origin === undefined || detail === undefined) return []
  const record: InstanceRecord = {
    ...(now ?? origin),
    name: now?.name ?? (await freeName(deps, own, parseDockerName(detail.name, own.project) ?? origin.name)),
    container: detail.id,
    engineImage: detail.imageId,
    power: detail.status === 'running' || detail.status === 'paused' ? 'running' : 'stopped',
    volumes: ownVolumes(sight, detail, own.uuid),
    profiles: now?.profiles ?? (await knownProfiles(deps, origin)),
  }
  const leases = now === undefined ? await leasesOf(deps, sight, record, detail) : []
  return [{ change: 'put', noun: 'instance', record }, ...leases]
}

async function freeName({ records }: RebuildDeps, { project, uuid }: OwnLabels, name: string): Promise<string> {
  const known = await records.find('instance', project, name)
  return known !== undefined ? `${name.slice(0, 54)}-${uuid.slice(0, 8)}` : name
}

/** A profile that is gone can be applied no more. */
async function knownProfiles({ records }: RebuildDeps, { project, profiles }: InstanceRecord): Promise<string[]> {
  const home = await homeOf(records, project, 'profile')
  const known = new Set((await records.list('profile', home)).map(({ name }) => name))
  return profiles.filter((name) => known.has(name))
}

function ownVolumes({ volumes }: Sight, { mounts }: ContainerDetail, uuid: string): InstanceRecord['volumes'] {
  const own = new Set(volumes.filter((one) => one.own?.uuid === uuid).map(({ name }) => name))
  return mounts.filter(({ volume }) => own.has(volume)).map(({ path, volume }) => ({ path, volume }))
}

/** One for each network of ours that the container is on; the devices' names are those the instance was made with. */
async function leasesOf(
  { records, clock }: RebuildDeps,
  sight: Sight,
  instance: InstanceRecord,
  { networks }: ContainerDetail,
): Promise<RecordChange[]> {
  const changes: RecordChange[] = []
  const known = await records.list('network')
  const devices = Object.entries(instance.devices).filter(([, device]) => device['type'] === 'nic')
  for (const [name, { address }] of Object.entries(networks)) {
    // On its engine a network may have another name.
    const id = sight.networks.find((one) => one.name === name)?.id
    const network = known.find((one) => one.network === id)
    if (network === undefined || address === '') continue
    if ((await records.find('lease', network.uuid, address)) !== undefined) continue
    const [device = 'eth0'] = devices.find(([, nic]) => (nic['network'] || nic['parent']) === network.name) ?? []
    const { uuid, project } = instance
    const place = { name: address, network: network.uuid, instance: uuid, device }
    const lease: LeaseRecord = { v: 1, rev: 0, uuid: clock.uuid(), project, ...place }
    changes.push({ change: 'put', noun: 'lease', record: lease })
  }
  return changes
}

/** Of an instance that has a record: one of its own, or one that was rebuilt just before. */
function lostSnapshots(deps: RebuildDeps, sight: Sight): Mend[] {
  return sight.images.flatMap(({ id, own, tags }) => {
    if (!isLost(sight, own) || own.role !== 'snapshot' || !tags.includes(snapshotTag(own.uuid))) return []
    const record = originOf('snapshot', own)
    const siblings = sight.known.snapshots.filter(({ instance }) => instance === record?.instance)
    if (record === undefined || isTaken(siblings, record)) return []
    const volumes = sight.volumes
      .filter((one) => one.own?.role === 'snapshot' && one.own.uuid === own.uuid)
      .flatMap(({ name, own: labels }) => {
        const path = /^\{"path":"([^"]+)"\}$/.exec(labels?.origin ?? '')?.[1]
        return path === undefined ? [] : [{ path, volume: name }]
      })
    const put = { change: 'put', noun: 'snapshot', record: { ...record, engineImage: id, volumes } } as const
    return [
      rebuilding(deps, { noun: 'snapshot', own }, async () =>
        (await deps.records.get('instance', record.instance)) === undefined ? [] : [put],
      ),
    ]
  })
}

/** Of an instance that has a record by now. How large it is no label says. */
function lostBackups(deps: RebuildDeps, sight: Sight): Mend[] {
  return sight.volumes.flatMap(({ name, own }) => {
    if (!isLost(sight, own) || own.role !== 'backup') return []
    const record = originOf('backup', own)
    const siblings = sight.known.backups.filter(({ instance }) => instance === record?.instance)
    if (record === undefined || isTaken(siblings, record)) return []
    const put = { change: 'put', noun: 'backup', record: { ...record, tarball: name } } as const
    return [
      rebuilding(deps, { noun: 'backup', own }, async () =>
        (await deps.records.get('instance', record.instance)) === undefined ? [] : [put],
      ),
    ]
  })
}

/** Snapshots and backups of a custom volume that has a record by now. */
function lostOfVolumes(deps: RebuildDeps, sight: Sight): Mend[] {
  const { volumeSnapshots, volumeBackups } = sight.known
  return sight.volumes.flatMap(({ name, own }) => {
    if (!isLost(sight, own) || (own.role !== 'snapshot' && own.role !== 'backup')) return []
    const [snapshot, backup] = [originOf('volume-snapshot', own), originOf('volume-backup', own)]
    const record = own.role === 'snapshot' ? snapshot : backup
    const siblings = (own.role === 'snapshot' ? volumeSnapshots : volumeBackups).filter(
      ({ parent }) => parent === record?.parent,
    )
    if (record === undefined || isTaken(siblings, record)) return []
    const put: RecordChange =
      'volume' in record
        ? { change: 'put', noun: 'volume-snapshot', record: { ...record, volume: name } }
        : { change: 'put', noun: 'volume-backup', record: { ...record, tarball: name } }
    return [
      rebuilding(deps, { noun: put.noun, own }, async () =>
        (await deps.records.get('volume', record.parent)) === undefined ? [] : [put],
      ),
    ]
  })
}
