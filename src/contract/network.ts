import { Type, type Static } from 'typebox'
import { Config } from './common.ts'
import { maybe, named, nullable } from './named.ts'

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

/** `GET …/state`. What only the host of the engine could tell is empty or zero. */
export const NetworkState = named(
  'NetworkState',
  Type.Object({
    addresses: Type.Array(
      Type.Object({
        family: Type.String({ examples: ['inet'] }),
        address: Type.String({ examples: ['10.128.0.1'] }),
        netmask: Type.String({ examples: ['20'] }),
        scope: Type.String({ examples: ['global'] }),
      }),
    ),
    counters: Type.Object({
      bytes_received: Type.Integer(),
      bytes_sent: Type.Integer(),
      packets_received: Type.Integer(),
      packets_sent: Type.Integer(),
    }),
    hwaddr: Type.String(),
    mtu: Type.Integer(),
    state: Type.Union([Type.Literal('up'), Type.Literal('down')]),
    type: Type.Literal('broadcast'),
    bridge: nullable(
      Type.Object({
        id: Type.String(),
        stp: Type.Boolean(),
        forward_delay: Type.Integer(),
        vlan_default: Type.Integer(),
        vlan_filtering: Type.Boolean(),
        upper_devices: Type.Array(Type.String()),
      }),
    ),
    bond: Type.Null(),
    vlan: Type.Null(),
    ovn: Type.Null(),
  }),
)
export type NetworkState = Static<typeof NetworkState>

/** One of `GET …/leases`. */
export const NetworkLease = named(
  'NetworkLease',
  Type.Object({
    hostname: Type.String({ examples: ['c1'] }),
    hwaddr: Type.String({ examples: ['02:42:0a:80:00:02'] }),
    address: Type.String({ examples: ['10.128.0.2'] }),
    type: Type.Union([Type.Literal('gateway'), Type.Literal('static'), Type.Literal('dynamic')]),
    location: Type.String({ examples: ['none'] }),
  }),
)
export type NetworkLease = Static<typeof NetworkLease>
