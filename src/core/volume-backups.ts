/** Backups of custom volumes as the engine port keeps and reads them: one tarball in LXD's layout, in a volume of its own. */
import type { VolumePortrait, VolumeSnapshotPortrait } from '../contract/volume-backup.ts'
import type { KeptTarball, PackOptions } from './backups.ts'
import type { KeptFile } from './kept-files.ts'

/** A volume or a snapshot of it that goes into a backup: what is told of it, and the engine's volume with its files. */
export interface PackedVolume<P> {
  portrait: P
  volume: string
}

/** What a backup says of itself. Nothing of it is checked but its form. */
export interface VolumeBackupContents {
  volume: VolumePortrait
  snapshots: VolumeSnapshotPortrait[]
}

type Show = (text: string, percent: number) => void

export interface VolumeBackups {
  /** Packs everything, compressed outside the event loop. A failed one leaves nothing. */
  pack(
    backup: { volume: PackedVolume<VolumePortrait>; snapshots: PackedVolume<VolumeSnapshotPortrait>[] },
    options: PackOptions,
    signal?: AbortSignal,
  ): Promise<KeptFile>
  /** The first file of the tarball; bad-request for what is no backup of a volume. */
  read(kept: KeptTarball, signal?: AbortSignal): Promise<VolumeBackupContents>
  /** Reads it from end to end, under bounds, and makes nothing; bad-request for what cannot be unpacked as a whole. */
  survey(kept: KeptTarball, onProgress: Show, signal?: AbortSignal): Promise<void>
  /** Fills volumes of the engine, those of the snapshots in the order of the backup's. May be repeated with the same ones. */
  unpack(
    kept: KeptTarball,
    into: { volume: string; snapshots: string[] },
    onProgress: Show,
    signal?: AbortSignal,
  ): Promise<void>
}
