/** Instances as clients send and read them. Answers have every field; requests may leave out any, or send null. */
import { Type, type Static } from 'typebox'
import { Backup } from './backup.ts'
import { Config, Devices, Time } from './common.ts'
import { maybe, named, nullable, ref } from './named.ts'
import { Snapshot } from './snapshot.ts'

const Address = Type.Object({
  family: Type.Union([Type.Literal('inet'), Type.Literal('inet6')]),
  address: Type.String(),
  netmask: Type.String({ description: 'Prefix length, as a string.' }),
  scope: Type.Union([Type.Literal('global'), Type.Literal('link'), Type.Literal('local')]),
})

const Counters = Type.Object({
  bytes_received: Type.Integer(),
  bytes_sent: Type.Integer(),
  packets_received: Type.Integer(),
  packets_sent: Type.Integer(),
  errors_received: Type.Integer(),
  errors_sent: Type.Integer(),
  packets_dropped_inbound: Type.Integer(),
  packets_dropped_outbound: Type.Integer(),
})

const NetworkOfInstance = Type.Object({
  addresses: Type.Array(Address),
  counters: Counters,
  hwaddr: Type.String(),
  host_name: Type.String(),
  mtu: Type.Integer(),
  state: Type.Union([Type.Literal('up'), Type.Literal('down')]),
  type: Type.Union([Type.Literal('broadcast'), Type.Literal('loopback')]),
})

/** Bytes and nanoseconds; `network` is null while it is stopped. */
export const InstanceState = named(
  'InstanceState',
  Type.Object({
    status: Type.String({ examples: ['Running'] }),
    status_code: Type.Integer({ examples: [103] }),
    disk: Type.Record(Type.String(), Type.Object({ usage: Type.Integer() })),
    memory: Type.Object({
      usage: Type.Integer(),
      usage_peak: Type.Integer(),
      swap_usage: Type.Integer(),
      swap_usage_peak: Type.Integer(),
    }),
    network: nullable(Type.Record(Type.String(), NetworkOfInstance)),
    pid: Type.Integer(),
    processes: Type.Integer(),
    cpu: Type.Object({ usage: Type.Integer({ description: 'Nanoseconds.' }) }),
  }),
)
export type InstanceState = Static<typeof InstanceState>

const common = {
  name: Type.String({ examples: ['c1'] }),
  description: Type.String(),
  status: Type.String({ examples: ['Running', 'Stopped', 'Frozen', 'Error'] }),
  status_code: Type.Integer({ examples: [103] }),
  created_at: Time,
  last_used_at: Time,
  architecture: Type.String({ examples: ['x86_64'] }),
  config: Config,
  devices: Devices,
  expanded_config: Config,
  expanded_devices: Devices,
  ephemeral: Type.Boolean(),
  profiles: Type.Array(Type.String()),
  stateful: Type.Boolean(),
  location: Type.String({ examples: ['none'] }),
  type: Type.Literal('container'),
  project: Type.String({ examples: ['default'] }),
}

const example = {
  name: 'c1',
  description: '',
  status: 'Running',
  status_code: 103,
  created_at: '2026-11-21T09:13:45.000Z',
  last_used_at: '2026-11-21T09:13:45.000Z',
  architecture: 'x86_64',
  config: { 'user.owner': 'anna' },
  devices: {},
  expanded_config: { 'user.owner': 'anna' },
  expanded_devices: { eth0: { name: 'eth0', network: 'lxdbr0', type: 'nic' } },
  ephemeral: false,
  profiles: ['default'],
  stateful: false,
  location: 'none',
  type: 'container',
  project: 'default',
}

export const Instance = named('Instance', Type.Object(common, { examples: [example] }))
export type Instance = Static<typeof Instance>

/** With recursion 2 in lists, 1 for one instance. */
export const InstanceFull = named(
  'InstanceFull',
  Type.Object({
    ...common,
    state: nullable(ref(InstanceState)),
    snapshots: nullable(Type.Array(ref(Snapshot))),
    backups: nullable(Type.Array(ref(Backup))),
  }),
)
export type InstanceFull = Static<typeof InstanceFull>

const InstanceSource = Type.Object({
  type: maybe(Type.String({ description: '`image`, `copy` or `none`.', examples: ['image'] })),
  alias: maybe(Type.String({ examples: ['busybox'] })),
  fingerprint: maybe(Type.String({ description: 'Whole, or a unique prefix.' })),
  properties: maybe(Config),
  source: maybe(Type.String({ description: 'For `copy`: an instance, or `instance/snapshot`.' })),
  project: maybe(Type.String({ description: "For `copy`: the source's project." })),
  instance_only: maybe(Type.Boolean({ description: 'For `copy`: without its snapshots.' })),
  container_only: maybe(Type.Boolean({ description: 'Old name of `instance_only`.' })),
  live: maybe(Type.Boolean()),
  refresh: maybe(Type.Boolean()),
  allow_inconsistent: maybe(Type.Boolean()),
  'base-image': maybe(Type.String()),
  server: maybe(Type.String()),
  protocol: maybe(Type.String()),
  mode: maybe(Type.String()),
  secret: maybe(Type.String()),
  certificate: maybe(Type.String()),
  operation: maybe(Type.String()),
})

const writable = {
  architecture: maybe(Type.String()),
  config: maybe(Config),
  devices: maybe(Devices),
  ephemeral: maybe(Type.Boolean()),
  profiles: maybe(Type.Array(Type.String(), { description: 'null: the default profile; an empty list: none.' })),
  stateful: maybe(Type.Boolean()),
  description: maybe(Type.String()),
}

export const InstancesPost = named(
  'InstancesPost',
  Type.Object(
    {
      ...writable,
      name: maybe(Type.String({ description: 'Empty: the server picks one.', examples: ['c1'] })),
      source: maybe(InstanceSource),
      instance_type: maybe(Type.String({ description: 'Limits by name: `c1-m1`, or the name of a cloud size.' })),
      type: maybe(Type.String({ examples: ['container'] })),
      start: maybe(Type.Boolean({ description: 'Start it when it is made.' })),
    },
    { examples: [{ name: 'c1', source: { type: 'image', alias: 'busybox' }, config: { 'limits.memory': '256MiB' } }] },
  ),
)
export type InstancesPost = Static<typeof InstancesPost>

/** The whole writable side, or `restore` alone. */
export const InstancePut = named(
  'InstancePut',
  Type.Object(
    { ...writable, restore: maybe(Type.String({ description: 'A snapshot to go back to: `s0` or `c1/s0`.' })) },
    {
      examples: [
        {
          config: { 'limits.memory': '256MiB' },
          devices: {},
          ephemeral: false,
          profiles: ['default'],
          description: 'web',
        },
        { restore: 's0' },
      ],
    },
  ),
)
export type InstancePut = Static<typeof InstancePut>

/** What is given is merged into what is there. */
export const InstancePatch = named(
  'InstancePatch',
  Type.Object(writable, { examples: [{ config: { 'user.owner': 'anna' } }] }),
)
export type InstancePatch = Static<typeof InstancePatch>

/** Rename. */
export const InstancePost = named(
  'InstancePost',
  Type.Object(
    {
      name: maybe(Type.String({ description: 'The new name.' })),
      migration: maybe(Type.Boolean()),
      live: maybe(Type.Boolean()),
      instance_only: maybe(Type.Boolean()),
      container_only: maybe(Type.Boolean()),
      target: maybe(Type.Unknown()),
      pool: maybe(Type.String()),
      project: maybe(Type.String()),
      allow_inconsistent: maybe(Type.Boolean()),
    },
    { examples: [{ name: 'web' }] },
  ),
)
export type InstancePost = Static<typeof InstancePost>

export const InstanceStatePut = named(
  'InstanceStatePut',
  Type.Object(
    {
      action: maybe(Type.String({ description: 'start, stop, restart, freeze or unfreeze.' })),
      // No timer takes more.
      timeout: maybe(Type.Integer({ minimum: -1, maximum: 2_147_483, description: 'Seconds; -1: no bound.' })),
      force: maybe(Type.Boolean()),
      stateful: maybe(Type.Boolean()),
    },
    { examples: [{ action: 'stop', timeout: 30, force: false }] },
  ),
)
export type InstanceStatePut = Static<typeof InstanceStatePut>

/** The same change for all instances of a project. */
export const InstancesPut = named(
  'InstancesPut',
  Type.Object({ state: maybe(ref(InstanceStatePut)) }, { examples: [{ state: { action: 'stop', force: true } }] }),
)
export type InstancesPut = Static<typeof InstancesPut>

export const InstanceExecPost = named(
  'InstanceExecPost',
  Type.Object(
    {
      command: maybe(Type.Array(Type.String())),
      'wait-for-websocket': maybe(Type.Boolean()),
      interactive: maybe(Type.Boolean()),
      environment: maybe(Config),
      width: maybe(Type.Integer({ minimum: 0, maximum: 65_535 })),
      height: maybe(Type.Integer({ minimum: 0, maximum: 65_535 })),
      'record-output': maybe(Type.Boolean({ description: 'Keep stdout and stderr as logs of the instance.' })),
      // Docker Engine takes no other ids.
      user: maybe(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
      group: maybe(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
      cwd: maybe(Type.String()),
    },
    { examples: [{ command: ['sh', '-c', 'echo hello > /root/greeting'], 'record-output': true }] },
  ),
)
export type InstanceExecPost = Static<typeof InstanceExecPost>

/** LXD's `POST …/console`. */
export const InstanceConsolePost = named(
  'InstanceConsolePost',
  Type.Object(
    {
      width: maybe(Type.Integer({ minimum: 0, maximum: 65_535 })),
      height: maybe(Type.Integer({ minimum: 0, maximum: 65_535 })),
      type: maybe(Type.String({ description: '`console`; `vga` is for virtual machines, which there are none of.' })),
    },
    { examples: [{ width: 80, height: 24, type: 'console' }] },
  ),
)
export type InstanceConsolePost = Static<typeof InstanceConsolePost>
