/** Snapshots of custom volumes: taken, listed, changed, restored and deleted. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import type { StorageVolumePut } from '../contract/storage.ts'
import type { StorageVolumeSnapshotPut, StorageVolumeSnapshotsPost } from '../contract/volume-snapshot.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, notFound } from '../core/failure.ts'
import { parseSnapshotName, snapshotNumberedName } from '../core/names.ts'
import type { BusyClaim, Clock, RecordReader } from '../core/ports.ts'
import { expiryAfter, parseExpiry } from '../core/times.ts'
import { requireAllowed } from './allowances.ts'
import type { Caller } from './caller.ts'
import { volumeSnapshotUrl, volumeUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import { asSeen, partClaims, type Seen } from './part-claims.ts'
import { checkVolumeConfig } from './volume-config.ts'
import { aboutVolume, readingClaims, replacingClaims, type VolumeFinder, type WhereVolume } from './volume-finder.ts'
import type { Write } from './writes.ts'

export interface VolumeSnapshotsDeps {
  records: RecordReader
  operations: Operations
  finder: VolumeFinder
  write: Write
  clock: Clock
}

/** A snapshot and the volume it is of. */
export interface VolumeSnapshotView {
  volume: VolumeRecord
  snapshot: VolumeSnapshotRecord
}

export type VolumeSnapshots = ReturnType<typeof createVolumeSnapshots>

export function createVolumeSnapshots({ records, operations, finder, write, clock }: VolumeSnapshotsDeps) {
  async function list(caller: Caller, where: WhereVolume): Promise<VolumeSnapshotView[]> {
    const volume = await finder.load(caller, where)
    const found = await records.list('volume-snapshot', volume.uuid)
    return found.map((snapshot) => ({ volume, snapshot }))
  }

  async function get(caller: Caller, where: WhereVolume, name: string): Promise<VolumeSnapshotView> {
    const volume = await finder.load(caller, where)
    return { volume, snapshot: await snapshotOf(records, volume, name) }
  }

  async function getToChange(caller: Caller, where: WhereVolume, name: string): Promise<VolumeSnapshotView> {
    const volume = await finder.loadToChange(caller, where)
    return { volume, snapshot: await snapshotOf(records, volume, name) }
  }

  /** `once`: names the occasion where a repeat is not to make another one. */
  async function create(
    caller: Caller,
    where: WhereVolume,
    body: StorageVolumeSnapshotsPost,
    once?: string,
  ): Promise<OperationRecord> {
    const volume = await finder.loadToChange(caller, where)
    await requireAllowed(records, where.project, 'snapshot')
    const snapshot = await draftOf(volume, body)
    const users = await finder.mountersOf(volume)
    return operations.submit(caller, {
      kind: 'volume-snapshot.create',
      input: { record: snapshot, users },
      ...about({ volume, snapshot }, where.project),
      names: [{ noun: 'volume-snapshot', scope: volume.uuid, name: snapshot.name }],
      taken: `Snapshot "${snapshot.name}" already in use`,
      busy: readingClaims(volume, users, 'snapshot'),
      ...(once !== undefined && { once }),
    })
  }

  async function draftOf(volume: VolumeRecord, body: StorageVolumeSnapshotsPost): Promise<VolumeSnapshotRecord> {
    const { uuid, config } = volume
    const now = new Date(clock.now())
    const others = (await records.list('volume-snapshot', uuid)).map(({ name }) => name)
    return finder.draftSnapshot(volume, {
      name: parseSnapshotName(body.name || snapshotNumberedName(config['snapshots.pattern'] ?? '', others, now)),
      description: body.description ?? '',
      config,
      created_at: now.toISOString(),
      // What the volume says holds for those who say nothing; the zero time is never.
      expires_at:
        body.expires_at == null ? expiryAfter(now, config['snapshots.expiry'] ?? '') : parseExpiry(body.expires_at),
    })
  }

  /** Sets what is given; `null` of an expiry is never. */
  async function update(
    caller: Caller,
    where: WhereVolume,
    name: string,
    { body, ifMatch }: { body: StorageVolumeSnapshotPut; ifMatch: string | undefined },
  ): Promise<void> {
    const { volume, snapshot } = await getToChange(caller, where, name)
    checkIfMatch(ifMatch, etagOf(snapshot.uuid, snapshot.rev))
    const { description, expires_at } = body
    const next = {
      ...snapshot,
      ...(description != null && { description }),
      ...(expires_at !== undefined && { expires_at: parseExpiry(expires_at) }),
    }
    await write(caller, {
      changes: [{ change: 'put', noun: 'volume-snapshot', record: next }],
      event: {
        action: 'storage-volume-snapshot-updated',
        source: volumeSnapshotUrl(volume, name),
        project: volume.project,
      },
      unlessBusy: [`volume-snapshot:${snapshot.uuid}`],
    })
  }

  async function rename(caller: Caller, where: WhereVolume, name: string, newName: string): Promise<OperationRecord> {
    const view = await getToChange(caller, where, name)
    if (newName === '') throw badRequest('No name provided')
    parseSnapshotName(newName)
    return operations.submit(caller, {
      kind: 'volume-snapshot.rename',
      input: { snapshot: view.snapshot.uuid, name: newName },
      ...about(view, where.project),
      names: [{ noun: 'volume-snapshot', scope: view.volume.uuid, name: newName }],
      taken: `Name "${newName}" already in use`,
      busy: partClaims(`volume:${view.volume.uuid}`, `volume-snapshot:${view.snapshot.uuid}`, 'rename'),
    })
  }

  /** `seen`: only while it is as it was when somebody decided on it. */
  async function remove(caller: Caller, where: WhereVolume, name: string, seen?: Seen): Promise<OperationRecord> {
    const view = await getToChange(caller, where, name)
    return operations.submit(caller, {
      kind: 'volume-snapshot.delete',
      input: { snapshot: view.snapshot.uuid },
      ...about(view, where.project),
      busy: partClaims(`volume:${view.volume.uuid}`, `volume-snapshot:${view.snapshot.uuid}`, 'delete'),
      ...asSeen('volume-snapshot', seen),
    })
  }

  /** Waits until the files are back, as LXD does; config and description are changed only where they are given. */
  async function restore(caller: Caller, where: WhereVolume, body: StorageVolumePut, ifMatch?: string): Promise<void> {
    const volume = await finder.loadToChange(caller, where)
    checkIfMatch(ifMatch, etagOf(volume.uuid, volume.rev))
    const snapshot = await snapshotOf(records, volume, body.restore ?? '')
    const { config, description } = body
    if (config != null) checkVolumeConfig(volume.name, config)
    const users = await finder.settledMounters(volume)
    await operations.perform(caller, {
      kind: 'volume.restore',
      input: {
        volume: volume.uuid,
        snapshot: snapshot.uuid,
        into: `windlass-${clock.uuid()}`,
        ...(config != null && { change: { config: withoutEmpty(config), description: description ?? '' } }),
        users,
      },
      ...aboutVolume(volume, where.project),
      busy: [...replacingClaims(volume, users, 'restore'), ...snapshotClaims([snapshot], 'restore')],
    })
  }

  return { list, get, create, update, rename, remove, restore }
}

export async function snapshotOf(
  records: Pick<RecordReader, 'find'>,
  volume: VolumeRecord,
  name: string,
): Promise<VolumeSnapshotRecord> {
  const snapshot = await records.find('volume-snapshot', volume.uuid, name)
  if (snapshot === undefined) throw notFound('Storage volume snapshot not found')
  return snapshot
}

/** Snapshots that are read stay as they are. */
export function snapshotClaims(snapshots: VolumeSnapshotRecord[], action: string): BusyClaim[] {
  return snapshots.map(({ uuid }) => ({ key: `volume-snapshot:${uuid}`, mode: 'use', action }))
}

function about({ volume, snapshot }: VolumeSnapshotView, project: string) {
  const { member } = volume
  const url = volumeSnapshotUrl(volume, snapshot.name)
  return {
    project,
    member,
    entity: { id: snapshot.uuid, name: `${volume.name}/${snapshot.name}`, url },
    resources: { storage_volumes: [volumeUrl(volume)], storage_volume_snapshots: [url] },
  }
}
