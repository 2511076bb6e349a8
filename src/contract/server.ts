import { Type, type Static } from 'typebox'
import { Config } from './common.ts'
import { maybe, named } from './named.ts'

const open = {
  api_extensions: Type.Array(Type.String()),
  api_status: Type.Literal('stable'),
  api_version: Type.Literal('1.0'),
  auth: Type.Union([Type.Literal('trusted'), Type.Literal('untrusted')]),
  public: Type.Boolean(),
  auth_methods: Type.Array(Type.String()),
}

export const Environment = Type.Object({
  addresses: Type.Array(Type.String(), {
    description: 'Where it listens for HTTPS.',
    examples: [['10.0.0.2:8443']],
  }),
  architectures: Type.Array(Type.String(), { examples: [['x86_64', 'i686']] }),
  certificate: Type.String({ description: "The HTTPS listener's, PEM." }),
  certificate_fingerprint: Type.String({ description: 'SHA-256 of it.' }),
  driver: Type.String({ examples: ['docker'] }),
  driver_version: Type.String({ examples: ['28.5.1'] }),
  firewall: Type.String(),
  kernel: Type.String({ examples: ['Linux'] }),
  kernel_architecture: Type.String({ examples: ['x86_64'] }),
  kernel_features: Config,
  kernel_version: Type.String({ examples: ['6.1.0-18-amd64'] }),
  lxc_features: Config,
  os_name: Type.String({ examples: ['Debian GNU/Linux'] }),
  os_version: Type.String({ examples: ['12 (bookworm)'] }),
  project: Type.String({ description: 'The one that was asked with.', examples: ['default'] }),
  server: Type.String({ examples: ['windlass'] }),
  server_clustered: Type.Boolean(),
  server_event_mode: Type.String({ examples: ['full-mesh'] }),
  server_name: Type.String({ description: "Name of the engine's machine.", examples: ['host1'] }),
  server_pid: Type.Integer({ examples: [4711] }),
  server_version: Type.String({
    description: 'The version of Windlass, not that of an LXD: what works is in `api_extensions`.',
    examples: ['0.1.0'],
  }),
  storage: Type.String({ examples: ['overlay2'] }),
  storage_version: Type.String(),
  storage_supported_drivers: Type.Array(
    Type.Object({ Name: Type.String(), Version: Type.String(), Remote: Type.Boolean() }),
  ),
})
export type Environment = Static<typeof Environment>

/** LXD's server settings: strings, and `true` for a password that is set. */
const ServerConfig = Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean()]))

/** `GET /1.0`. Without a token `config` and `environment` are missing. */
export const ServerView = named(
  'Server',
  Type.Object({ ...open, config: Type.Optional(ServerConfig), environment: Type.Optional(Environment) }),
)
export type ServerView = Static<typeof ServerView>

export const ServerPut = named(
  'ServerPut',
  Type.Object({ config: maybe(ServerConfig) }, { examples: [{ config: { 'user.site': 'lab' } }] }),
)
export type ServerPut = Static<typeof ServerPut>

const Listed = Type.Array(Type.Record(Type.String(), Type.Unknown()))

/** What the machine of the engine has. */
export const Resources = named(
  'Resources',
  Type.Object({
    cpu: Type.Object({
      architecture: Type.String(),
      sockets: Type.Array(Type.Record(Type.String(), Type.Unknown())),
      total: Type.Integer(),
    }),
    memory: Type.Object({
      nodes: Type.Array(Type.Record(Type.String(), Type.Unknown())),
      hugepages_total: Type.Integer(),
      hugepages_used: Type.Integer(),
      hugepages_size: Type.Integer(),
      used: Type.Integer({ description: 'Bytes; 0 where the engine is on another machine and does not say.' }),
      total: Type.Integer({ description: 'Bytes.' }),
    }),
    gpu: Type.Object({ cards: Listed, total: Type.Integer() }),
    network: Type.Object({ cards: Listed, total: Type.Integer() }),
    storage: Type.Object({ disks: Listed, total: Type.Integer() }),
    usb: Type.Object({ devices: Listed, total: Type.Integer() }),
    pci: Type.Object({ devices: Listed, total: Type.Integer() }),
    system: Type.Record(Type.String(), Type.Unknown()),
  }),
)
export type Resources = Static<typeof Resources>

/** Whether this process can do its work. `missing` is told to those who have a token. */
export const Readiness = named(
  'Readiness',
  Type.Object({
    status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]),
    missing: Type.Optional(Type.Array(Type.String(), { examples: [['redis', 'engine', 'workers']] })),
  }),
)
export type Readiness = Static<typeof Readiness>
