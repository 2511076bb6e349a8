/** Backups of instances as clients send and read them, and what a backup's tarball says of itself. */
import { Type, type Static } from 'typebox'
import { Config, Devices, Time } from './common.ts'
import { KeptMetadata } from './image-metadata.ts'
import { maybe, named } from './named.ts'
import { Boot } from './records.ts'

export const Backup = named(
  'Backup',
  Type.Object({
    name: Type.String({ examples: ['backup0'], description: 'Its own name alone.' }),
    created_at: Time,
    expires_at: Time,
    instance_only: Type.Boolean({ description: 'Without snapshots.' }),
    container_only: Type.Boolean({ description: 'Old name of `instance_only`.' }),
    optimized_storage: Type.Literal(false, { description: 'Docker Engine has no such form.' }),
  }),
)
export type Backup = Static<typeof Backup>

export const BackupsPost = named(
  'BackupsPost',
  Type.Object(
    {
      name: maybe(Type.String({ description: 'Empty: the server picks backup0, backup1, …' })),
      expires_at: maybe(Type.String({ description: 'RFC 3339; it is deleted then.' })),
      instance_only: maybe(Type.Boolean({ description: 'Without snapshots.' })),
      container_only: maybe(Type.Boolean({ description: 'Old name of `instance_only`.' })),
      optimized_storage: maybe(
        Type.Boolean({ description: 'Ignored, as LXD does where the storage has no such form.' }),
      ),
      compression_algorithm: maybe(Type.String({ description: 'gzip, xz, zstd or none.' })),
    },
    { examples: [{ name: 'monday', compression_algorithm: 'zstd' }] },
  ),
)
export type BackupsPost = Static<typeof BackupsPost>

/** Rename. */
export const BackupPost = named(
  'BackupPost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'tuesday' }] }),
)
export type BackupPost = Static<typeof BackupPost>

const Words = Type.Array(Type.String({ maxLength: 128 * 1024 }), { maxItems: 1000 })
const Name = Type.String({ maxLength: 4096 })

/** How an image runs, of one that is made of files alone. */
export const Runs = Type.Object({
  boot: Boot,
  command: Words,
  entrypoint: Words,
  environment: Config,
  user: Name,
  workdir: Name,
  stopSignal: Name,
})
export type Runs = Static<typeof Runs>

/** What LXD has no field for; it reads over it. */
const Own = Type.Object({
  /** Fingerprint of the image it was made from. */
  image: Name,
  runs: Runs,
  /** The paths of its own volumes; their files are in the tarball by this order. */
  volumes: Type.Array(Name, { maxItems: 1000 }),
  /** What LXD keeps in `metadata.yaml`, with its templates. */
  metadata: Type.Optional(KeptMetadata),
})

const portrait = {
  architecture: maybe(Name),
  config: maybe(Config),
  devices: maybe(Devices),
  profiles: maybe(Type.Array(Type.String(), { maxItems: 1000 })),
  ephemeral: maybe(Type.Boolean()),
  description: maybe(Type.String()),
  created_at: maybe(Name),
  windlass: Type.Optional(Own),
}

/** An instance in a backup. */
export const InstancePortrait = Type.Object({ name: Name, ...portrait })
export type InstancePortrait = Static<typeof InstancePortrait>

/** A snapshot in a backup; `name` is its own name. */
export const SnapshotPortrait = Type.Object({ name: Name, expires_at: maybe(Name), ...portrait })
export type SnapshotPortrait = Static<typeof SnapshotPortrait>

/** `backup/index.yaml`, as far as it counts: LXD 5.0's, read from whoever has written it. */
export const BackupIndex = Type.Object({
  name: Name,
  type: maybe(Name),
  optimized: maybe(Type.Boolean()),
  snapshots: maybe(Type.Array(Name, { maxItems: 1000 })),
  config: Type.Object({
    container: InstancePortrait,
    snapshots: maybe(Type.Array(SnapshotPortrait, { maxItems: 1000 })),
  }),
})
export type BackupIndex = Static<typeof BackupIndex>
