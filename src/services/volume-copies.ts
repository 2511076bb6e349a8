/** Copies of custom volumes: of one as it is, with its snapshots or without, or as it was at a snapshot. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import type { StorageVolumesPost } from '../contract/storage.ts'
import { notImplemented } from '../core/failure.ts'
import type { BusyClaim, RecordReader } from '../core/ports.ts'
import type { Caller } from './caller.ts'
import type { Operations } from './operations.ts'
import { aboutVolume, readingClaims, VOLUME_TAKEN, type VolumeFinder, type WhereVolume } from './volume-finder.ts'
import { snapshotClaims, snapshotOf } from './volume-snapshots.ts'
import { checkVolumeBody } from './volumes.ts'

export interface VolumeCopiesDeps {
  records: RecordReader
  operations: Operations
  finder: VolumeFinder
}

export type VolumeCopies = ReturnType<typeof createVolumeCopies>

/** What is copied. */
interface Source {
  volume: VolumeRecord
  snapshot: VolumeSnapshotRecord | undefined
}

export function createVolumeCopies({ records, operations, finder }: VolumeCopiesDeps) {
  /** Of a volume of this project or of another one that the caller may enter. */
  async function copy(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    body: StorageVolumesPost,
  ): Promise<OperationRecord> {
    const home = await finder.placeOf(caller, where)
    checkVolumeBody({ ...body, source: null })
    if (body.source?.refresh === true)
      throw notImplemented('Refreshing a copy is not supported; delete it and copy again')
    const { volume, snapshot } = await sourceOf(caller, where, body)
    const config = body.config ?? (snapshot ?? volume).config
    const record = { ...finder.draft(home, { ...body, config }), member: volume.member }
    const isAlone = snapshot !== undefined || body.source?.volume_only === true
    const along = isAlone ? [] : await records.list('volume-snapshot', volume.uuid)
    const users = snapshot === undefined ? await finder.mountersOf(volume) : []
    return operations.submit(caller, {
      kind: 'volume.copy',
      input: {
        volume: record,
        from: volume.uuid,
        ...(snapshot !== undefined && { snapshot: snapshot.uuid }),
        snapshots: along.map((one) => ({ from: one.uuid, record: finder.draftSnapshot(record, one) })),
        users,
      },
      ...aboutVolume(record, where.project),
      names: [{ noun: 'volume', scope: record.project, name: record.name }],
      taken: VOLUME_TAKEN,
      busy: [
        { key: `volume:${record.uuid}`, mode: 'own', action: 'create' } satisfies BusyClaim,
        ...readingClaims(volume, users, 'copy'),
        ...snapshotClaims(snapshot === undefined ? along : [snapshot], 'copy'),
      ],
    })
  }

  /** `volume/snapshot` names a snapshot. */
  async function sourceOf(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    { source }: StorageVolumesPost,
  ): Promise<Source> {
    const [name = '', ...rest] = (source?.name ?? '').split('/')
    const from = { pool: source?.pool || where.pool, project: source?.project || where.project, name }
    const volume = await finder.load(caller, from)
    return { volume, snapshot: rest.length === 0 ? undefined : await snapshotOf(records, volume, rest.join('/')) }
  }

  return { copy }
}
