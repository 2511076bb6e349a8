/** Custom volumes of the pool `default`: volumes of the engine under names of the project's own. */
import type { Config } from '../contract/common.ts'
import type { InstanceRecord, SnapshotRecord, VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import type {
  StorageVolumePatch,
  StorageVolumePost,
  StorageVolumePut,
  StorageVolumesPost,
  StorageVolumeState,
} from '../contract/storage.ts'
import { rootSize, usesVolume } from '../core/devices.ts'
import type { Engine } from '../core/engine.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, notFound, notImplemented } from '../core/failure.ts'
import { parseVolumeName } from '../core/names.ts'
import type { RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import { parseBytes } from '../core/units.ts'
import { mayEnter, requireProject, type Caller } from './caller.ts'
import { engineOf } from './engine-of.ts'
import { submitInHome } from './homes.ts'
import { instanceUrl } from './instance-urls.ts'
import { devicesNow } from './mounts.ts'
import { volumeUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import { requirePool } from './storage.ts'
import { urlsFor, type UsedBy } from './used-by.ts'
import { checkVolumeConfig } from './volume-config.ts'
import { aboutVolume, VOLUME_MISSING, VOLUME_TAKEN, type VolumeFinder, type WhereVolume } from './volume-finder.ts'
import type { Write } from './writes.ts'

export interface VolumesDeps {
  records: RecordReader
  write: Write
  operations: Operations
  usedBy: UsedBy
  finder: VolumeFinder
  engines: ReadonlyMap<string, Engine>
}

/** A custom volume with the URLs of the instances and profiles that mount it. */
export interface VolumeView {
  record: VolumeRecord
  usedBy: string[]
}

/** One of a list, with its snapshots, which LXD lists among the volumes. */
export interface ListedVolume extends VolumeView {
  snapshots: VolumeSnapshotRecord[]
}

/** The root disk of an instance, which LXD lists among the volumes. */
export interface RootVolumeView {
  instance: InstanceRecord
  usedBy: string[]
}

export type Volumes = ReturnType<typeof createVolumes>

export function createVolumes({ records, write, operations, usedBy, finder, engines }: VolumesDeps) {
  /** Custom volumes of one project, or of every project the caller may enter. */
  async function list(caller: Caller, pool: string, project: string | undefined): Promise<ListedVolume[]> {
    requirePool(pool)
    if (project !== undefined && !mayEnter(caller, project)) return []
    const home = project && (await homeOf(records, project, 'volume'))
    const [volumes, snapshots] = await Promise.all([records.list('volume', home), records.list('volume-snapshot')])
    const seen = volumes.filter((record) => home !== undefined || mayEnter(caller, record.project))
    const homes = [...new Set(seen.map((record) => record.project))]
    const users = new Map(await Promise.all(homes.map(async (one) => [one, await usedBy.volumeUsers(one)] as const)))
    const byVolume = Map.groupBy(snapshots, ({ parent }) => parent)
    return seen.map((record) => ({
      record,
      snapshots: byVolume.get(record.uuid) ?? [],
      usedBy: urlsFor(
        caller,
        (users.get(record.project) ?? []).filter((user) => usesVolume(user, record.name)),
      ),
    }))
  }

  async function get(caller: Caller, where: WhereVolume): Promise<VolumeView> {
    const record = await finder.load(caller, where)
    return { record, usedBy: urlsFor(caller, await finder.usersOf(record)) }
  }

  /** What it takes now: the engine looks at all of its files. */
  async function state(caller: Caller, where: WhereVolume): Promise<StorageVolumeState> {
    const { member, volume, config } = await finder.load(caller, where)
    const used = await engineOf(engines, member).volumes.usage(volume)
    return { usage: { ...(used !== undefined && { used }), total: parseBytes(config['size'] ?? '') } }
  }

  /** The same of an instance's root disk: its container's own layer and the instance's own volumes. */
  async function rootState(caller: Caller, where: WhereVolume): Promise<StorageVolumeState> {
    const { instance } = await root(caller, where)
    const { containers, volumes } = engineOf(engines, instance.member)
    const parts = await Promise.all([
      containers.size(instance.container),
      ...instance.volumes.map(({ volume }) => volumes.usage(volume)),
    ])
    const used = parts.includes(undefined) ? undefined : parts.reduce<number>((sum, part = 0) => sum + part, 0)
    const size = rootSize(await devicesNow(records, instance))
    return { usage: { ...(used !== undefined && { used }), total: parseBytes(size) } }
  }

  /** The snapshots of an instance are those of its root disk. */
  async function rootSnapshots(caller: Caller, where: WhereVolume): Promise<SnapshotRecord[]> {
    const { instance } = await root(caller, where)
    return records.list('snapshot', instance.uuid)
  }

  /** Root disks of instances; their names are the instances'. */
  async function roots(caller: Caller, pool: string, project: string | undefined): Promise<RootVolumeView[]> {
    requirePool(pool)
    if (project !== undefined && !mayEnter(caller, project)) return []
    const instances = await records.list('instance', project)
    return instances
      .filter((instance) => mayEnter(caller, instance.project))
      .map((instance) => ({ instance, usedBy: [instanceUrl(instance)] }))
  }

  async function root(caller: Caller, where: WhereVolume): Promise<RootVolumeView> {
    requirePool(where.pool)
    requireProject(caller, where.project)
    const instance = await records.find('instance', where.project, where.name)
    if (instance === undefined) throw notFound(VOLUME_MISSING)
    return { instance, usedBy: [instanceUrl(instance)] }
  }

  /** Makes the volume and waits for it, as LXD does. */
  async function create(caller: Caller, where: Omit<WhereVolume, 'name'>, body: StorageVolumesPost): Promise<void> {
    const { project, home } = await finder.placeOf(caller, where)
    checkVolumeBody(body)
    const record = finder.draft(home, body)
    const accepted = await submitInHome({ records, operations }, caller, project, {
      kind: 'volume.create',
      input: { volume: record },
      ...aboutVolume(record, where.project),
      names: [{ noun: 'volume', scope: record.project, name: record.name }],
      taken: VOLUME_TAKEN,
      busy: [{ key: `volume:${record.uuid}`, mode: 'own', action: 'create' }],
    })
    await operations.finish(accepted)
  }

  async function update(caller: Caller, where: WhereVolume, body: StorageVolumePut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    await change(caller, record, body.description ?? '', body.config ?? {})
  }

  /** Merged into what is there. */
  async function patch(caller: Caller, where: WhereVolume, body: StorageVolumePatch, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    await change(caller, record, body.description ?? record.description, { ...record.config, ...body.config })
  }

  async function change(caller: Caller, record: VolumeRecord, description: string, config: Config): Promise<void> {
    checkVolumeConfig(record.name, config)
    const next = { ...record, description, config: withoutEmpty(config) }
    await write(caller, {
      changes: [{ change: 'put', noun: 'volume', record: next }],
      event: event('storage-volume-updated', record),
      unlessBusy: [`volume:${record.uuid}`],
    })
  }

  /** Devices name volumes, so one that is in use keeps its name; the engine's volume has a name of its own. */
  async function rename(caller: Caller, where: WhereVolume, body: StorageVolumePost): Promise<void> {
    const record = await finder.loadToChange(caller, where)
    if ((body.pool ?? '') !== '' && body.pool !== where.pool) requirePool(body.pool ?? '')
    if ((body.project ?? '') !== '' && body.project !== where.project)
      throw notImplemented('Moving a volume to another project is not supported; copy its files')
    const name = parseVolumeName(body.name ?? '')
    await finder.refuseUsed(record)
    const next = { ...record, name }
    await write(caller, {
      changes: [{ change: 'put', noun: 'volume', record: next }],
      taken: VOLUME_TAKEN,
      event: { ...event('storage-volume-renamed', next), context: { old_name: record.name } },
      unlessUsed: [`volume:${record.uuid}`],
    })
  }

  /** Waits until the engine's volume is gone, as LXD does. */
  async function remove(caller: Caller, where: WhereVolume): Promise<void> {
    const record = await finder.loadToChange(caller, where)
    await finder.refuseUsed(record)
    await operations.perform(caller, {
      kind: 'volume.delete',
      input: { volume: record.uuid },
      ...aboutVolume(record, where.project),
      busy: [{ key: `volume:${record.uuid}`, mode: 'own', action: 'delete' }],
    })
  }

  async function writable(caller: Caller, where: WhereVolume, ifMatch: string | undefined): Promise<VolumeRecord> {
    const record = await finder.loadToChange(caller, where)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    return record
  }

  return { list, get, state, roots, root, rootState, rootSnapshots, create, update, patch, rename, remove }
}

/** Refuses what a volume of this engine cannot be. */
export function checkVolumeBody({ type, content_type, source }: StorageVolumesPost): void {
  if (type && type !== 'custom') throw badRequest(`Currently not allowed to create storage volumes of type ${type}`)
  if (content_type && content_type !== 'filesystem')
    throw badRequest(`Storage volumes of content type "${content_type}" are not possible on Docker Engine`)
  const from = source?.type || 'none'
  if (from === 'migration') throw notImplemented('Migration between servers is not possible on Docker Engine')
  if (from !== 'none') throw badRequest(`Unknown source type "${from}"`)
}

function event(action: string, record: VolumeRecord) {
  return { action, source: volumeUrl(record), project: record.project }
}
