import { Type, type Static } from 'typebox'
import { Config } from './common.ts'
import { maybe, named } from './named.ts'

export const Network = named(
  'Network',
  Type.Object({
    name: Type.String({ examples: ['lxdbr0'] }),
    description: Type.String(),
    type: Type.String({ examples: ['bridge'] }),
    managed: Type.Boolean(),
    status: Type.String({ examples: ['Created'] }),
    config: Config,
    used_by: Type.Array(Type.String()),
    locations: Type.Array(Type.String(), { examples: [['none']] }),
  }),
)
export type Network = Static<typeof Network>

const writable = { description: maybe(Type.String()), config: maybe(Config) }

export const NetworksPost = named(
  'NetworksPost',
  Type.Object(
    { ...writable, name: maybe(Type.String()), type: maybe(Type.String({ description: 'Empty or `bridge`.' })) },
    { examples: [{ name: 'backend', config: { 'ipv4.address': '10.77.0.1/24' } }] },
  ),
)
export type NetworksPost = Static<typeof NetworksPost>

export const NetworkPut = named(
  'NetworkPut',
  Type.Object(writable, { examples: [{ description: 'databases', config: {} }] }),
)
export type NetworkPut = Static<typeof NetworkPut>

/** What is given is merged into what is there. */
export const NetworkPatch = named('NetworkPatch', Type.Object(writable, { examples: [{ description: 'databases' }] }))
export type NetworkPatch = Static<typeof NetworkPatch>

/** Rename. */
export const NetworkPost = named(
  'NetworkPost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'frontend' }] }),
)
export type NetworkPost = Static<typeof NetworkPost>
