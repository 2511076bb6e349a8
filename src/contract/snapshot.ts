import { Type, type Static } from 'typebox'
import { Config, Devices, Time } from './common.ts'
import { maybe, named } from './named.ts'

/** A snapshot of an instance; `name` is its own name alone. */
export const Snapshot = named(
  'Snapshot',
  Type.Object({
    name: Type.String({ examples: ['s0'] }),
    created_at: Time,
    expires_at: Time,
    last_used_at: Time,
    stateful: Type.Boolean(),
    architecture: Type.String(),
    config: Config,
    devices: Devices,
    ephemeral: Type.Boolean(),
    expanded_config: Config,
    expanded_devices: Devices,
    profiles: Type.Array(Type.String()),
    size: Type.Integer({ description: 'Bytes; -1 when not known.' }),
  }),
)
export type Snapshot = Static<typeof Snapshot>

const ExpiresAt = Type.String({ description: 'RFC 3339; `0001-01-01T00:00:00Z` is never.' })

export const SnapshotsPost = named(
  'SnapshotsPost',
  Type.Object(
    {
      name: maybe(Type.String({ description: 'Empty: the server picks snap0, snap1, …' })),
      stateful: maybe(Type.Boolean()),
      expires_at: maybe(ExpiresAt),
    },
    { examples: [{ name: 's0' }] },
  ),
)
export type SnapshotsPost = Static<typeof SnapshotsPost>

export const SnapshotPut = named(
  'SnapshotPut',
  Type.Object({ expires_at: maybe(ExpiresAt) }, { examples: [{ expires_at: '2030-01-01T00:00:00Z' }] }),
)
export type SnapshotPut = Static<typeof SnapshotPut>

/** Rename. */
export const SnapshotPost = named(
  'SnapshotPost',
  Type.Object(
    {
      name: maybe(Type.String()),
      migration: maybe(Type.Boolean()),
      target: maybe(Type.Unknown()),
      live: maybe(Type.Boolean()),
    },
    { examples: [{ name: 'before-upgrade' }] },
  ),
)
export type SnapshotPost = Static<typeof SnapshotPost>
