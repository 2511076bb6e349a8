/** Snapshots of custom storage volumes as clients send and read them. */
import { Type, type Static } from 'typebox'
import { Config, Time } from './common.ts'
import { maybe, named, nullable } from './named.ts'

export const StorageVolumeSnapshot = named(
  'StorageVolumeSnapshot',
  Type.Object({
    name: Type.String({ examples: ['snap0'], description: 'Its own name; in lists `volume/snapshot`.' }),
    description: Type.String(),
    content_type: Type.Literal('filesystem'),
    config: Config,
    created_at: Time,
    expires_at: nullable(Time),
  }),
)
export type StorageVolumeSnapshot = Static<typeof StorageVolumeSnapshot>

const writable = {
  description: maybe(Type.String()),
  expires_at: maybe(Type.String({ description: 'RFC 3339; `0001-01-01T00:00:00Z` is never.' })),
}

export const StorageVolumeSnapshotsPost = named(
  'StorageVolumeSnapshotsPost',
  Type.Object(
    {
      ...writable,
      name: maybe(Type.String({ description: 'Empty: by `snapshots.pattern`, else snap0, snap1, …' })),
    },
    { examples: [{ name: 'before-upgrade', description: 'version 4' }] },
  ),
)
export type StorageVolumeSnapshotsPost = Static<typeof StorageVolumeSnapshotsPost>

/** Description and expiry; by PATCH what is given alone is changed. */
export const StorageVolumeSnapshotPut = named(
  'StorageVolumeSnapshotPut',
  Type.Object(writable, { examples: [{ description: 'version 4', expires_at: '2030-01-01T00:00:00Z' }] }),
)
export type StorageVolumeSnapshotPut = Static<typeof StorageVolumeSnapshotPut>

/** Rename. */
export const StorageVolumeSnapshotPost = named(
  'StorageVolumeSnapshotPost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'version-4' }] }),
)
export type StorageVolumeSnapshotPost = Static<typeof StorageVolumeSnapshotPost>
