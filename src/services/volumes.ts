/** Custom volumes of the pool `default`: volumes of the engine under names of the project's own. */
import type { Config } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, VolumeRecord } from '../contract/records.ts'
import type {
  StorageVolumePatch,
  StorageVolumePost,
  StorageVolumePut,
  StorageVolumesPost,
} from '../contract/storage.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, notFound, notImplemented } from '../core/failure.ts'
import { parseVolumeName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { mayEnter, requireProject, requireRole, type Caller } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { volumeUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import { requirePool } from './storage.ts'
import { usesVolume, type UsedBy } from './used-by.ts'
import { checkVolumeConfig } from './volume-config.ts'
import type { Write } from './writes.ts'

export interface VolumesDeps {
  records: RecordReader
  write: Write
  operations: Operations
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

/** A custom volume with the URLs of the instances and profiles that mount it. */
export interface VolumeView {
  record: VolumeRecord
  usedBy: string[]
}

/** The root disk of an instance, which LXD lists among the volumes. */
export interface RootVolumeView {
  instance: InstanceRecord
  usedBy: string[]
}

export type Volumes = ReturnType<typeof createVolumes>

const MISSING = 'Storage pool volume not found'

export function createVolumes(deps: VolumesDeps) {
  const { records, write, operations, usedBy } = deps

  /** Custom volumes of one project, or of every project the caller may enter. */
  async function list(caller: Caller, pool: string, project: string | undefined): Promise<VolumeView[]> {
    requirePool(pool)
    if (project !== undefined && !mayEnter(caller, project)) return []
    const [volumes, users] = await Promise.all([records.list('volume', project), usedBy.users(project)])
    return volumes
      .filter((record) => mayEnter(caller, record.project))
      .map((record) => ({
        record,
        usedBy: users
          .filter((user) => user.project === record.project && usesVolume(user, record.name))
          .map(({ url }) => url),
      }))
  }

  async function get(caller: Caller, where: WhereVolume): Promise<VolumeView> {
    const record = await load(caller, where)
    return { record, usedBy: await usersOf(record) }
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
    if (instance === undefined) throw notFound(MISSING)
    return { instance, usedBy: [instanceUrl(instance)] }
  }

  /** Makes the volume and waits for it, as LXD does. */
  async function create(caller: Caller, where: Omit<WhereVolume, 'name'>, body: StorageVolumesPost): Promise<void> {
    requireRole(caller, 'operator')
    requirePool(where.pool)
    requireProject(caller, where.project)
    if ((await records.find('project', '', where.project)) === undefined) throw notFound('Project not found')
    checkBody(body)
    const record = draftOf(where.project, body)
    await operations.perform(caller, {
      kind: 'volume.create',
      input: { volume: record },
      ...about(record),
      names: [{ noun: 'volume', scope: record.project, name: record.name }],
      taken: 'Volume by that name already exists',
      busy: [{ key: `volume:${record.uuid}`, mode: 'own', action: 'create' }],
    })
  }

  /** The files of another one, of this project or of another one that the caller may enter. */
  async function copy(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    body: StorageVolumesPost,
  ): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    requirePool(where.pool)
    requireProject(caller, where.project)
    if ((await records.find('project', '', where.project)) === undefined) throw notFound('Project not found')
    checkBody({ ...body, source: null })
    const { name = '', pool, project, refresh } = body.source ?? {}
    if (refresh === true) throw notImplemented('Refreshing a copy is not supported; delete it and copy again')
    const from = { pool: pool || where.pool, project: project || where.project, name: name ?? '' }
    const source = await load(caller, from)
    const record = draftOf(where.project, { ...body, config: body.config ?? source.config })
    return operations.submit(caller, {
      kind: 'volume.copy',
      input: { volume: { ...record, member: source.member }, from: source.uuid },
      ...about(record),
      names: [{ noun: 'volume', scope: record.project, name: record.name }],
      taken: 'Volume by that name already exists',
      busy: [
        { key: `volume:${record.uuid}`, mode: 'own', action: 'create' },
        { key: `volume:${source.uuid}`, mode: 'use', action: 'copy' },
      ],
    })
  }

  function draftOf(project: string, body: StorageVolumesPost): VolumeRecord {
    const name = parseVolumeName(body.name ?? '')
    checkVolumeConfig(name, body.config ?? {})
    const uuid = deps.clock.uuid()
    return {
      v: 1,
      rev: 0,
      uuid,
      project,
      name,
      member: deps.member,
      volume: `windlass-${uuid}`,
      description: body.description ?? '',
      config: withoutEmpty(body.config ?? {}),
      created_at: new Date(deps.clock.now()).toISOString(),
    }
  }

  async function update(caller: Caller, where: WhereVolume, body: StorageVolumePut, ifMatch?: string): Promise<void> {
    if ((body.restore ?? '') !== '') throw notImplemented('Snapshots of custom volumes are not served')
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
    requireRole(caller, 'operator')
    const record = await load(caller, where)
    if ((body.pool ?? '') !== '' && body.pool !== where.pool) requirePool(body.pool ?? '')
    if ((body.project ?? '') !== '' && body.project !== where.project)
      throw notImplemented('Moving a volume to another project is not supported; copy its files')
    const name = parseVolumeName(body.name ?? '')
    await refuseUsed(record)
    const next = { ...record, name }
    await write(caller, {
      changes: [{ change: 'put', noun: 'volume', record: next }],
      taken: 'Volume by that name already exists',
      event: { ...event('storage-volume-renamed', next), context: { old_name: record.name } },
      unlessBusy: [`volume:${record.uuid}`],
    })
  }

  /** Waits until the engine's volume is gone, as LXD does. */
  async function remove(caller: Caller, where: WhereVolume): Promise<void> {
    requireRole(caller, 'operator')
    const record = await load(caller, where)
    await refuseUsed(record)
    await operations.perform(caller, {
      kind: 'volume.delete',
      input: { volume: record.uuid },
      ...about(record),
      busy: [{ key: `volume:${record.uuid}`, mode: 'own', action: 'delete' }],
    })
  }

  async function refuseUsed(record: VolumeRecord): Promise<void> {
    const coming = await usedBy.coming(record.project)
    if ((await usersOf(record)).length > 0 || coming.some((user) => usesVolume(user, record.name)))
      throw badRequest('The storage volume is still in use')
  }

  async function usersOf({ project, name }: VolumeRecord): Promise<string[]> {
    return (await usedBy.users(project)).filter((user) => usesVolume(user, name)).map(({ url }) => url)
  }

  async function load(caller: Caller, where: WhereVolume): Promise<VolumeRecord> {
    requirePool(where.pool)
    requireProject(caller, where.project)
    const record = await records.find('volume', where.project, where.name)
    if (record === undefined) throw notFound(MISSING)
    return record
  }

  async function writable(caller: Caller, where: WhereVolume, ifMatch: string | undefined): Promise<VolumeRecord> {
    requireRole(caller, 'operator')
    const record = await load(caller, where)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    return record
  }

  return { list, get, roots, root, create, copy, update, patch, rename, remove }
}

function checkBody({ type, content_type, source }: StorageVolumesPost): void {
  if (type && type !== 'custom') throw badRequest(`Currently not allowed to create storage volumes of type ${type}`)
  if (content_type && content_type !== 'filesystem')
    throw badRequest(`Storage volumes of content type "${content_type}" are not possible on Docker Engine`)
  const from = source?.type || 'none'
  if (from === 'migration') throw notImplemented('Migration between servers is not possible on Docker Engine')
  if (from !== 'none') throw badRequest(`Unknown source type "${from}"`)
}

function about(record: VolumeRecord) {
  const { uuid, name, member, project } = record
  const entity = { id: uuid, name, url: volumeUrl(record) }
  return { project, member, entity, resources: { storage_volumes: [volumeUrl(record)] } }
}

function event(action: string, record: VolumeRecord) {
  return { action, source: volumeUrl(record), project: record.project }
}
