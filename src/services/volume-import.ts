/** A backup that is sent becomes a custom volume, by the same checks as one that is created. */
import type { Readable } from 'node:stream'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { VolumeRecord, VolumeSnapshotRecord } from '../contract/records.ts'
import type { VolumeSnapshotPortrait } from '../contract/volume-backup.ts'
import type { Engine } from '../core/engine.ts'
import { withoutEmpty } from '../core/expand.ts'
import { conflict } from '../core/failure.ts'
import { parseSnapshotName, parseVolumeName } from '../core/names.ts'
import type { RecordReader } from '../core/ports.ts'
import { parseExpiry, timeOr } from '../core/times.ts'
import type { VolumeBackupContents } from '../core/volume-backups.ts'
import type { Caller } from './caller.ts'
import { engineOf } from './engine-of.ts'
import { submitInHome } from './homes.ts'
import type { Operations } from './operations.ts'
import type { Uploads } from './uploads.ts'
import { checkVolumeConfig, knownVolumeConfig } from './volume-config.ts'
import { aboutVolume, VOLUME_TAKEN, type VolumeFinder, type VolumePlace, type WhereVolume } from './volume-finder.ts'

export interface VolumeImportDeps {
  records: RecordReader
  operations: Operations
  finder: VolumeFinder
  uploads: Uploads
  engines: ReadonlyMap<string, Engine>
  /** The member new volumes are made on. */
  member: string
}

/** What comes with the upload. */
export interface VolumeImportInfo {
  /** Another name than the backup's. */
  name?: string | undefined
  /** Aborts when the client is gone. */
  signal?: AbortSignal | undefined
}

export type VolumeImport = ReturnType<typeof createVolumeImport>

export function createVolumeImport(deps: VolumeImportDeps) {
  const { records, operations, finder } = deps

  /** Keeps the tarball on the engine, checks what it says of itself, and has it unpacked. */
  async function take(
    caller: Caller,
    where: Omit<WhereVolume, 'name'>,
    content: Readable,
    { name, signal }: VolumeImportInfo,
  ): Promise<OperationRecord> {
    const place = await finder.placeOf(caller, where)
    const { home } = place
    if (name && (await records.find('volume', home, parseVolumeName(name))) !== undefined) throw conflict(VOLUME_TAKEN)
    const engine = engineOf(deps.engines, deps.member)
    return deps.uploads.tarball(engine, { project: home, content, signal }, async (kept, id) => {
      const contents = await engine.volumeBackups.read(kept, signal)
      return submit(caller, place, { contents, name, upload: kept.volume, id })
    })
  }

  async function submit(
    caller: Caller,
    { project, home }: VolumePlace,
    from: { contents: VolumeBackupContents; name: string | undefined; upload: string; id: string },
  ): Promise<OperationRecord> {
    const { volume: told, snapshots } = from.contents
    const config = knownVolumeConfig(told.config ?? {})
    const draft = finder.draft(home, { name: from.name || told.name, description: told.description ?? '', config })
    const volume = { ...draft, created_at: timeOr(told.created_at, draft.created_at) }
    return submitInHome({ records, operations }, caller, project, {
      id: from.id,
      kind: 'volume.import',
      input: { volume, snapshots: snapshots.map((one) => snapshotFrom(volume, one)), upload: from.upload },
      ...aboutVolume(volume, project.name),
      names: [{ noun: 'volume', scope: home, name: volume.name }],
      taken: VOLUME_TAKEN,
      busy: [{ key: `volume:${volume.uuid}`, mode: 'own', action: 'create' }],
    })
  }

  function snapshotFrom(volume: VolumeRecord, from: VolumeSnapshotPortrait): VolumeSnapshotRecord {
    const name = parseSnapshotName(from.name)
    const config = knownVolumeConfig(from.config ?? {})
    checkVolumeConfig(`${volume.name}/${name}`, config)
    return finder.draftSnapshot(volume, {
      name,
      description: from.description ?? '',
      config: withoutEmpty(config),
      created_at: timeOr(from.created_at, volume.created_at),
      expires_at: parseExpiry(from.expires_at),
    })
  }

  return { take }
}
