import { Type, type Static } from 'typebox'
import { Config, Devices } from './common.ts'
import { maybe, named } from './named.ts'

export const Profile = named(
  'Profile',
  Type.Object({
    name: Type.String({ examples: ['default'] }),
    description: Type.String(),
    config: Config,
    devices: Devices,
    used_by: Type.Array(Type.String(), { examples: [['/1.0/instances/c1']] }),
  }),
)
export type Profile = Static<typeof Profile>

const writable = { description: maybe(Type.String()), config: maybe(Config), devices: maybe(Devices) }

export const ProfilesPost = named(
  'ProfilesPost',
  Type.Object(
    { ...writable, name: maybe(Type.String()) },
    { examples: [{ name: 'small', config: { 'limits.memory': '64MiB' } }] },
  ),
)
export type ProfilesPost = Static<typeof ProfilesPost>

export const ProfilePut = named(
  'ProfilePut',
  Type.Object(writable, { examples: [{ config: { 'limits.cpu': '1' }, devices: {} }] }),
)
export type ProfilePut = Static<typeof ProfilePut>

/** What is given is merged into what is there. */
export const ProfilePatch = named(
  'ProfilePatch',
  Type.Object(writable, { examples: [{ config: { 'user.owner': 'anna' } }] }),
)
export type ProfilePatch = Static<typeof ProfilePatch>

/** Rename. */
export const ProfilePost = named(
  'ProfilePost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'tiny' }] }),
)
export type ProfilePost = Static<typeof ProfilePost>
