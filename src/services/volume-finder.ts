/** Custom volumes as a caller names them, and who uses them: what all verbs on them begin with. */
import type { StorageVolumesPost } from '../contract/storage.ts'
import type { ProjectRecord, VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import { usesVolume } from '../core/devices.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, conflict, notFound } from '../core/failure.ts'
import { parseVolumeName } from '../core/names.ts'
import type { BusyClaim, Clock, RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import { requireHome, requireProject, requireRole, type Caller } from './caller.ts'
import { loadProject } from './homes.ts'
import { volumeUrl } from './noun-urls.ts'
import { requirePool } from './storage.ts'
import type { UsedBy, User } from './used-by.ts'
import { checkVolumeConfig } from './volume-config.ts'

export interface VolumeFinderDeps {
  records: RecordReader
  usedBy: UsedBy
  clock: Clock
  /** The member new volumes are made on. */
  member: string
}

export interface WhereVolume {
  pool: string
  project: string
  name: string
}

/** Where a volume is made. */
export interface VolumePlace {
  /** That the request names. */
  project: ProjectRecord
  /** Where that one has its volumes. */
  home: string
}

export type VolumeFinder = ReturnType<typeof createVolumeFinder>

export const VOLUME_MISSING = 'Storage pool volume not found'
export const VOLUME_TAKEN = 'Volume by that name already exists'

export function createVolumeFinder({ records, usedBy, clock, member }: VolumeFinderDeps) {
  async function load(caller: Caller, where: WhereVolume): Promise<VolumeRecord> {
    requirePool(where.pool)
    requireProject(caller, where.project)
    const record = await records.find('volume', await homeOf(records, where.project, 'volume'), where.name)
    if (record === undefined) throw notFound(VOLUME_MISSING)
    return record
  }

  /** For those who may change it, its snapshots or its backups. */
  async function loadToChange(caller: Caller, where: WhereVolume): Promise<VolumeRecord> {
    requireRole(caller, 'operator')
    const record = await load(caller, where)
    requireHome(caller, record.project)
    return record
  }

  /** Where volumes of the project are made, by those who may. */
  async function placeOf(caller: Caller, { pool, project: name }: Omit<WhereVolume, 'name'>): Promise<VolumePlace> {
    requireRole(caller, 'operator')
    requirePool(pool)
    requireProject(caller, name)
    const project = await loadProject(records, name)
    const home = await homeOf(records, name, 'volume')
    requireHome(caller, home)
    return { project, home }
  }

  /** A new volume as it is to become. Throws bad-request for a name or a config that cannot be. */
  function draft(project: string, wanted: Pick<StorageVolumesPost, 'name' | 'config' | 'description'>): VolumeRecord {
    const name = parseVolumeName(wanted.name ?? '')
    checkVolumeConfig(name, wanted.config ?? {})
    const uuid = clock.uuid()
    return {
      v: 1,
      rev: 0,
      uuid,
      project,
      name,
      member,
      volume: `windlass-${uuid}`,
      description: wanted.description ?? '',
      config: withoutEmpty(wanted.config ?? {}),
      created_at: new Date(clock.now()).toISOString(),
    }
  }

  /** A new snapshot of the volume, with files of its own. */
  function draftSnapshot(
    volume: VolumeRecord,
    told: Pick<VolumeSnapshotRecord, 'name' | 'description' | 'config' | 'created_at' | 'expires_at'>,
  ): VolumeSnapshotRecord {
    const uuid = clock.uuid()
    const of = { project: volume.project, member: volume.member, parent: volume.uuid }
    return { ...told, ...of, v: 1, rev: 0, uuid, volume: `windlass-${uuid}` }
  }

  /** The instances and profiles that mount it. */
  async function usersOf({ project, name }: VolumeRecord): Promise<User[]> {
    return (await usedBy.volumeUsers(project)).filter((user) => usesVolume(user, name))
  }

  /** The uuids of the instances that mount it. */
  async function mountersOf(record: VolumeRecord): Promise<string[]> {
    return (await usersOf(record)).flatMap(({ instance }) => instance ?? [])
  }

  async function refuseUsed(record: VolumeRecord): Promise<void> {
    // Whatever has ended when it is looked for is in the records that are read after it.
    if ((await isAwaited(record)) || (await usersOf(record)).length > 0)
      throw badRequest('The storage volume is still in use')
  }

  /** Whether something that is only being made or changed is going to mount it. */
  async function isAwaited({ project, name }: VolumeRecord): Promise<boolean> {
    return (await usedBy.comingVolumeUsers(project)).some((user) => usesVolume(user, name))
  }

  /** The uuids of those that mount it, whose containers are to get another volume: a conflict while more are on the way. */
  async function settledMounters(record: VolumeRecord): Promise<string[]> {
    if (await isAwaited(record))
      throw conflict('An instance that mounts the volume is just being changed; try again', { retryAfter: 1 })
    return mountersOf(record)
  }

  return { load, loadToChange, placeOf, draft, draftSnapshot, usersOf, mountersOf, settledMounters, refuseUsed }
}

/** What an operation on a volume says it is about. `project` is the one that the request names. */
export function aboutVolume(record: VolumeRecord, project: string) {
  const { uuid, name, member } = record
  const entity = { id: uuid, name, url: volumeUrl(record) }
  return { project, member, entity, resources: { storage_volumes: [volumeUrl(record)] } }
}

/** The volume is replaced, and with it what these instances mount. */
export function replacingClaims({ uuid }: VolumeRecord, mounters: string[], action: string): BusyClaim[] {
  return [
    { key: `volume:${uuid}`, mode: 'own', action },
    ...mounters.map((one): BusyClaim => ({ key: `instance:${one}`, mode: 'own', action })),
  ]
}

/** The volume is read: it must stay, and so must each instance that mounts it, for those that run stand still meanwhile. */
export function readingClaims({ uuid }: VolumeRecord, users: string[], action: string): BusyClaim[] {
  return [
    { key: `volume:${uuid}`, mode: 'use', action },
    ...users.map((user): BusyClaim => ({ key: `instance:${user}`, mode: 'own', action })),
  ]
}
