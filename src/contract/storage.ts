/** Storage pools and volumes. There is one pool, `default`: the engine's volumes and layers. */
import { Type, type Static } from 'typebox'
import { Config, Time } from './common.ts'
import { maybe, named } from './named.ts'

export const StoragePool = named(
  'StoragePool',
  Type.Object({
    name: Type.String({ examples: ['default'] }),
    description: Type.String(),
    driver: Type.String({ examples: ['docker'] }),
    status: Type.String({ examples: ['Created'] }),
    config: Config,
    used_by: Type.Array(Type.String()),
    locations: Type.Array(Type.String(), { examples: [['none']] }),
  }),
)
export type StoragePool = Static<typeof StoragePool>

const Amount = Type.Object({ used: Type.Integer(), total: Type.Integer() })

/** Of the file system that holds the engine's data; zeros where it cannot be looked at. */
export const StoragePoolResources = named(
  'StoragePoolResources',
  Type.Object(
    { space: Amount, inodes: Amount },
    { examples: [{ space: { used: 1, total: 2 }, inodes: { used: 1, total: 2 } }] },
  ),
)
export type StoragePoolResources = Static<typeof StoragePoolResources>

export const StoragePoolsPost = named(
  'StoragePoolsPost',
  Type.Object(
    {
      name: maybe(Type.String()),
      driver: maybe(Type.String()),
      description: maybe(Type.String()),
      config: maybe(Config),
    },
    { examples: [{ name: 'fast', driver: 'dir' }] },
  ),
)
export type StoragePoolsPost = Static<typeof StoragePoolsPost>

export const StorageVolume = named(
  'StorageVolume',
  Type.Object({
    name: Type.String({ examples: ['data'], description: 'Of a snapshot: `volume/snapshot`.' }),
    description: Type.String(),
    type: Type.Union([Type.Literal('custom'), Type.Literal('container')]),
    content_type: Type.Literal('filesystem'),
    config: Config,
    used_by: Type.Array(Type.String(), { examples: [['/1.0/instances/c1']] }),
    location: Type.String({ examples: ['none'] }),
    project: Type.String(),
    created_at: Time,
  }),
)
export type StorageVolume = Static<typeof StorageVolume>

/** What a volume takes; without `used` where the engine does not say. `total` is its config's `size`, 0 without one. */
export const StorageVolumeState = named(
  'StorageVolumeState',
  Type.Object(
    { usage: Type.Object({ used: Type.Optional(Type.Integer()), total: Type.Integer() }) },
    { examples: [{ usage: { used: 4096, total: 0 } }] },
  ),
)
export type StorageVolumeState = Static<typeof StorageVolumeState>

const writable = { description: maybe(Type.String()), config: maybe(Config) }

export const StorageVolumesPost = named(
  'StorageVolumesPost',
  Type.Object(
    {
      ...writable,
      name: maybe(Type.String()),
      type: maybe(Type.String({ description: 'Empty or `custom`.' })),
      content_type: maybe(Type.String({ description: 'Empty or `filesystem`.' })),
      source: maybe(
        Type.Object({
          type: maybe(Type.String({ description: 'Empty, `none` or `copy`.' })),
          name: maybe(Type.String({ description: 'The volume to copy, or `volume/snapshot`.' })),
          pool: maybe(Type.String()),
          project: maybe(Type.String()),
          volume_only: maybe(Type.Boolean({ description: 'Without its snapshots.' })),
          refresh: maybe(
            Type.Boolean({
              description: 'A volume of that name gets the files and snapshots that the source has now.',
            }),
          ),
        }),
      ),
    },
    { examples: [{ name: 'data', description: 'of the web shop' }] },
  ),
)
export type StorageVolumesPost = Static<typeof StorageVolumesPost>

export const StorageVolumePut = named(
  'StorageVolumePut',
  Type.Object(
    { ...writable, restore: maybe(Type.String({ description: 'Name of a snapshot.' })) },
    { examples: [{ description: 'databases', config: {} }] },
  ),
)
export type StorageVolumePut = Static<typeof StorageVolumePut>

/** What is given is merged into what is there. */
export const StorageVolumePatch = named(
  'StorageVolumePatch',
  Type.Object(writable, { examples: [{ config: { 'user.owner': 'anna' } }] }),
)
export type StorageVolumePatch = Static<typeof StorageVolumePatch>

/** Rename. */
export const StorageVolumePost = named(
  'StorageVolumePost',
  Type.Object(
    {
      name: maybe(Type.String()),
      pool: maybe(Type.String()),
      project: maybe(Type.String()),
      migration: maybe(Type.Boolean()),
    },
    { examples: [{ name: 'archive' }] },
  ),
)
export type StorageVolumePost = Static<typeof StorageVolumePost>
