/** Backups as the engine port keeps and reads them: one tarball in LXD's layout, in a volume of its own. */
import type { KeptMetadata } from '../contract/image-metadata.ts'
import type { InstancePortrait, Runs, SnapshotPortrait } from '../contract/backup.ts'
import type { PackedBy } from './compression.ts'
import type { OwnLabels } from './container.ts'
import type { KeptFile } from './kept-files.ts'

/** An instance or a snapshot of it that goes into a backup. */
export interface PackedPart<P> {
  /** What is told of it, but for how its image runs. */
  portrait: Omit<P, 'windlass'>
  runs: Pick<Runs, 'boot'>
  /** The fingerprint of what it was made from. */
  fingerprint: string
  /** The engine's image that holds its files. */
  engineImage: string
  /** Its own volumes, by path. */
  volumes: { path: string; volume: string }[]
  metadata?: KeptMetadata | undefined
}

export interface PackedBackup {
  instance: PackedPart<InstancePortrait>
  snapshots: PackedPart<SnapshotPortrait>[]
}

/** What a backup says of itself. Nothing of it is checked but its form. */
export interface BackupContents {
  instance: InstancePortrait
  snapshots: SnapshotPortrait[]
}

/** A tarball that `putFile` has kept; helpers that read it get these labels. */
export interface KeptTarball {
  volume: string
  file: string
  labels: OwnLabels
}

/** How what a backup holds runs: what it says, or for one of LXD's own what its files say. */
export interface BackupRuns {
  instance: Runs
  snapshots: Runs[]
}

/** What one part of a backup becomes. */
export interface UnpackedPart {
  image: { labels: OwnLabels; tag: string; runs: Runs }
  /** Empty ones, in the order of the backup's. */
  volumes: string[]
}

/** Where a tarball is kept, and how it is packed. */
export interface PackOptions {
  volume: string
  file: string
  labels: OwnLabels
  compression: PackedBy
  onProgress(text: string): void
}

export interface Backups {
  /** Packs everything, compressed outside the event loop. A failed one leaves nothing. */
  pack(backup: PackedBackup, options: PackOptions, signal?: AbortSignal): Promise<KeptFile>
  /** The first file of the tarball; bad-request for what is no backup of an instance. */
  read(kept: KeptTarball, signal?: AbortSignal): Promise<BackupContents>
  /** Reads it from end to end, under bounds, and makes nothing; bad-request for what cannot be unpacked as a whole. */
  survey(
    kept: KeptTarball,
    onProgress: (text: string, percent: number) => void,
    signal?: AbortSignal,
  ): Promise<BackupRuns>
  /** Makes an image of each part, and fills its volumes; the images' ids. May be repeated with the same parts. */
  unpack(
    kept: KeptTarball,
    parts: { instance: UnpackedPart; snapshots: UnpackedPart[] },
    onProgress: (text: string, percent: number) => void,
    signal?: AbortSignal,
  ): Promise<{ instance: string; snapshots: string[] }>
}
