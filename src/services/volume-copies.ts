/** Copies of custom volumes: of one as it is, with its snapshots or without, or as it was at a snapshot. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import type { StorageVolumesPost } from '../contract/storage.ts'
import { badRequest, notImplemented } from '../core/failure.ts'
import { splitSource } from '../core/names.ts'
import type { BusyClaim, Clock, RecordReader } from '../core/ports.ts'
import type { Caller } from './caller.ts'
import { submitInHome } from './homes.ts'
import type { Operations } from './operations.ts'
import {
  aboutVolume,
  readingClaims,
  replacingClaims,
  VOLUME_TAKEN,
  type VolumeFinder,
  type VolumePlace,
  type WhereVolume,
} from './volume-finder.ts'
import { snapshotClaims, snapshotOf } from './volume-snapshots.ts'
import { checkVolumeBody } from './volumes.ts'

export interface VolumeCopiesDeps {
  records: RecordReader
  operations: Operations
  finder: VolumeFinder
  clock: Clock
}

export type VolumeCopies = ReturnType<typeof createVolumeCopies>

/** What is copied. */
interface Source {
  volume: VolumeRecord
  snapshot: VolumeSnapshotRecord | undefined
  /** Its snapshots stay where they are. */
  isAlone: boolean
}

export function createVolumeCopies({ records, operations, finder, clock }: VolumeCopiesDeps) {
  /** Of a volume of this project or of another one that the caller may enter. */
  async function copy(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    body: StorageVolumesPost,
  ): Promise<OperationRecord> {
    const place = await finder.placeOf(caller, where)
    checkVolumeBody({ ...body, source: null })
    const source = await sourceOf(caller, where, body)
    const there = body.source?.refresh === true ? await records.find('volume', place.home, body.name ?? '') : undefined
    return there === undefined ? make(caller, place, body, source) : refresh(caller, place, there, source)
  }

  async function make(
    caller: Caller,
    place: VolumePlace,
    body: StorageVolumesPost,
    { volume, snapshot, isAlone }: Source,
  ): Promise<OperationRecord> {
    const config = body.config ?? (snapshot ?? volume).config
    const record = { ...finder.draft(place.home, { ...body, config }), member: volume.member }
    const along = isAlone ? [] : await records.list('volume-snapshot', volume.uuid)
    const users = snapshot === undefined ? await finder.mountersOf(volume) : []
    return submitInHome({ records, operations }, caller, place.project, {
      kind: 'volume.copy',
      input: {
        volume: record,
        from: volume.uuid,
        ...(snapshot !== undefined && { snapshot: snapshot.uuid }),
        snapshots: along.map((one) => ({ from: one.uuid, record: finder.draftSnapshot(record, one) })),
        users,
      },
      ...aboutVolume(record, place.project.name),
      names: [{ noun: 'volume', scope: record.project, name: record.name }],
      taken: VOLUME_TAKEN,
      busy: [
        { key: `volume:${record.uuid}`, mode: 'own', action: 'create' } satisfies BusyClaim,
        ...readingClaims(volume, users, 'copy'),
        ...snapshotClaims(snapshot === undefined ? along : [snapshot], 'copy'),
      ],
    })
  }

  /** A copy that is there becomes what its source is by now: its files, and unless it is to be alone its snapshots. */
  async function refresh(
    caller: Caller,
    place: VolumePlace,
    copied: VolumeRecord,
    source: Source,
  ): Promise<OperationRecord> {
    const { volume, snapshot, isAlone } = source
    if (copied.uuid === volume.uuid) throw badRequest('A storage volume cannot be refreshed from itself')
    if (copied.member !== volume.member) throw notImplemented('Copying between engines is not possible')
    const [own, theirs] = isAlone
      ? [[], []]
      : await Promise.all([records.list('volume-snapshot', copied.uuid), records.list('volume-snapshot', volume.uuid)])
    const lacked = theirs.filter((one) => !own.some((other) => isSame(one, other)))
    const gone = own.filter((one) => !theirs.some((other) => isSame(one, other)))
    const mounters = await finder.settledMounters(copied)
    const users = snapshot === undefined ? await finder.mountersOf(volume) : []
    return operations.submit(caller, {
      kind: 'volume.refresh',
      input: {
        volume: copied.uuid,
        from: volume.uuid,
        ...(snapshot !== undefined && { snapshot: snapshot.uuid }),
        into: `windlass-${clock.uuid()}`,
        snapshots: lacked.map((one) => ({ from: one.uuid, record: finder.draftSnapshot(copied, one) })),
        gone: gone.map(({ uuid }) => uuid),
        users,
        mounters,
      },
      ...aboutVolume(copied, place.project.name),
      busy: [
        ...replacingClaims(copied, mounters, 'refresh'),
        ...readingClaims(volume, users, 'copy'),
        ...snapshotClaims(snapshot === undefined ? lacked : [snapshot], 'copy'),
        ...gone.map(({ uuid }): BusyClaim => ({ key: `volume-snapshot:${uuid}`, mode: 'own', action: 'delete' })),
      ],
    })
  }

  /** `volume/snapshot` names a snapshot. */
  async function sourceOf(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    { source }: StorageVolumesPost,
  ): Promise<Source> {
    const { name, snapshotName } = splitSource(source?.name ?? '')
    const from = { pool: source?.pool || where.pool, project: source?.project || where.project, name }
    const volume = await finder.load(caller, from)
    const snapshot = snapshotName === undefined ? undefined : await snapshotOf(records, volume, snapshotName)
    return { volume, snapshot, isAlone: snapshot !== undefined || source?.volume_only === true }
  }

  return { copy }
}

/** Told apart, as by LXD, by name and time of creation. */
function isSame(one: VolumeSnapshotRecord, other: VolumeSnapshotRecord): boolean {
  return one.name === other.name && one.created_at === other.created_at
}
