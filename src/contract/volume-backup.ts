/** Backups of custom volumes as clients send and read them, and what a backup's tarball says of itself. */
import { Type, type Static } from 'typebox'
import { Config, Time } from './common.ts'
import { maybe, named } from './named.ts'

export const StorageVolumeBackup = named(
  'StorageVolumeBackup',
  Type.Object({
    name: Type.String({ examples: ['backup0'], description: 'Its own name alone.' }),
    created_at: Time,
    expires_at: Time,
    volume_only: Type.Boolean({ description: 'Without snapshots.' }),
    optimized_storage: Type.Literal(false, { description: 'Docker Engine has no such form.' }),
  }),
)
export type StorageVolumeBackup = Static<typeof StorageVolumeBackup>

export const StorageVolumeBackupsPost = named(
  'StorageVolumeBackupsPost',
  Type.Object(
    {
      name: maybe(Type.String({ description: 'Empty: the server picks backup0, backup1, …' })),
      expires_at: maybe(Type.String({ description: 'RFC 3339; it is deleted then.' })),
      volume_only: maybe(Type.Boolean({ description: 'Without snapshots.' })),
      optimized_storage: maybe(
        Type.Boolean({ description: 'Ignored, as LXD does where the storage has no such form.' }),
      ),
      compression_algorithm: maybe(Type.String({ description: 'gzip, xz, zstd or none.' })),
    },
    { examples: [{ name: 'monday', compression_algorithm: 'zstd' }] },
  ),
)
export type StorageVolumeBackupsPost = Static<typeof StorageVolumeBackupsPost>

const Name = Type.String({ maxLength: 4096 })

const portrait = {
  name: Name,
  description: maybe(Type.String()),
  config: maybe(Config),
  content_type: maybe(Name),
  created_at: maybe(Name),
}

/** A volume in a backup. */
export const VolumePortrait = Type.Object(portrait)
export type VolumePortrait = Static<typeof VolumePortrait>

/** A snapshot in a backup; `name` is its own name. */
export const VolumeSnapshotPortrait = Type.Object({ ...portrait, expires_at: maybe(Name) })
export type VolumeSnapshotPortrait = Static<typeof VolumeSnapshotPortrait>

/** `backup/index.yaml` of a volume's backup, as far as it counts: LXD 5.0's, read from whoever has written it. */
export const VolumeBackupIndex = Type.Object({
  name: Name,
  optimized: maybe(Type.Boolean()),
  snapshots: maybe(Type.Array(Name, { maxItems: 1000 })),
  config: Type.Object({
    volume: VolumePortrait,
    volume_snapshots: maybe(Type.Array(VolumeSnapshotPortrait, { maxItems: 1000 })),
  }),
})
