/**
 * What Windlass keeps in Redis, one schema per noun. Every record carries `v` (the schema's version), `rev` (set by
 * the store on each write; the ETag comes from it), `uuid`, `project` and `name`. Times are RFC 3339 strings.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { Config, Devices, Role, Time } from './common.ts'
import { KeptMetadata } from './image-metadata.ts'

const keyed = <P extends TProperties>(properties: P) =>
  Type.Object({
    v: Type.Literal(1),
    rev: Type.Integer({ minimum: 0, description: '0 before the first write.' }),
    uuid: Type.String({ minLength: 1 }),
    project: Type.String({
      description: 'Empty for records that belong to no project (tokens, certificates, warnings).',
    }),
    name: Type.String(),
    ...properties,
  })

/** Whether the instance is to be running; what the server restores when it or the engine comes up again. */
const Power = Type.Union([Type.Literal('running'), Type.Literal('stopped')])

/** How a container is run: docker-init before a command, or an init system of its own as pid 1. */
export const Boot = Type.Union([
  Type.Literal('application'),
  Type.Literal('systemd'),
  Type.Literal('busybox'),
  Type.Literal('init'),
])
export type Boot = Static<typeof Boot>

/** A named volume that belongs to an instance: an image's VOLUME path or a volume made for it. */
export const OwnVolume = Type.Object({ path: Type.String(), volume: Type.String() })
export type OwnVolume = Static<typeof OwnVolume>

/** What of an instance its snapshots keep as it was. */
const kept = {
  member: Type.String(),
  image: Type.String({ description: "Fingerprint of the image it was made from, or '' for source type none." }),
  boot: Boot,
  architecture: Type.String(),
  description: Type.String(),
  config: Config,
  devices: Devices,
  profiles: Type.Array(Type.String()),
  ephemeral: Type.Boolean(),
  metadata: Type.Optional(KeptMetadata),
}

export const InstanceRecord = keyed({
  ...kept,
  container: Type.String({ description: "The engine's id of the container that is this instance today." }),
  engineImage: Type.String({ description: "Id of the engine's image its container runs." }),
  created_at: Time,
  last_used_at: Time,
  power: Power,
  told: Type.Optional(
    Type.Object(
      { container: Type.String(), state: Type.Union([Type.Literal('frozen'), Type.Literal('gone')]) },
      { description: 'What else was last told of this container; of another one it says nothing.' },
    ),
  ),
  volumes: Type.Array(OwnVolume),
  consoleSince: Type.Optional(
    Type.String({ description: "Where its console's log begins since it was cleared, in the engine's words." }),
  ),
})
export type InstanceRecord = Static<typeof InstanceRecord>

/** `name` is the snapshot's own name; it is unique within its instance. */
export const SnapshotRecord = keyed({
  ...kept,
  instance: Type.String({ description: "The instance's uuid." }),
  engineImage: Type.String({ description: "Id of the engine's image that holds the files." }),
  created_at: Time,
  expires_at: Time,
  size: Type.Integer({ description: 'Bytes of the layers above the instance image; -1 when not known.' }),
  volumes: Type.Array(
    Type.Object({
      path: Type.String(),
      volume: Type.String({ description: 'The copy that belongs to the snapshot.' }),
    }),
  ),
})
export type SnapshotRecord = Static<typeof SnapshotRecord>

/** A tarball of something as it was. */
const backup = {
  member: Type.String(),
  created_at: Time,
  expires_at: Time,
  size: Type.Integer({ description: 'Bytes of the tarball.' }),
  tarball: Type.String({ description: "The engine's volume that keeps it." }),
}

/** `name` is unique within its instance. */
export const BackupRecord = keyed({
  ...backup,
  instance: Type.String({ description: "The instance's uuid." }),
  instance_only: Type.Boolean({ description: 'Without its snapshots.' }),
})
export type BackupRecord = Static<typeof BackupRecord>

/** Another server of LXD's API, as it is to be spoken to. */
export const OtherServer = Type.Object({
  url: Type.String(),
  certificate: Type.String({
    description:
      "PEM of the only certificate that is taken for the server's; '' for one that any authority vouches for.",
  }),
  reach: Type.Array(Type.String(), { description: 'CIDRs of networks that its address may lie in if not public.' }),
})
export type OtherServer = Static<typeof OtherServer>

/** An image of another server. */
export const ImageOrigin = Type.Object({
  ...OtherServer.properties,
  image: Type.String({ description: 'An alias, or a fingerprint.' }),
  project: Type.String({ description: 'Its project there.' }),
})
export type ImageOrigin = Static<typeof ImageOrigin>

/** `name` is the fingerprint. */
export const ImageRecord = keyed({
  member: Type.String(),
  engineImage: Type.String(),
  boot: Boot,
  architecture: Type.String(),
  filename: Type.String(),
  size: Type.Integer({ description: 'Bytes of the tarball, or of the engine image where there is none.' }),
  tarball: Type.String({ description: "The volume that keeps the tarball, or ''." }),
  rootfs: Type.Optional(Type.Integer({ description: 'Of an image in two files: bytes of the root file system.' })),
  source: Type.String({ description: "The registry reference it was pulled from, or ''." }),
  origin: Type.Optional(ImageOrigin),
  metadata: Type.Optional(KeptMetadata),
  properties: Config,
  profiles: Type.Array(Type.String()),
  public: Type.Boolean(),
  auto_update: Type.Boolean(),
  cached: Type.Boolean(),
  created_at: Time,
  uploaded_at: Time,
  expires_at: Time,
  last_used_at: Time,
})
export type ImageRecord = Static<typeof ImageRecord>

export const AliasRecord = keyed({
  target: Type.String({ description: 'Fingerprint of an image of the same project.' }),
  description: Type.String(),
})
export type AliasRecord = Static<typeof AliasRecord>

export const ProfileRecord = keyed({ description: Type.String(), config: Config, devices: Devices })
export type ProfileRecord = Static<typeof ProfileRecord>

export const NetworkRecord = keyed({
  member: Type.String(),
  network: Type.String({ description: "The engine's network id." }),
  description: Type.String(),
  config: Config,
  subnet: Type.String({ description: 'IPv4 in CIDR form.' }),
  gateway: Type.String(),
})
export type NetworkRecord = Static<typeof NetworkRecord>

/** A custom storage volume of the pool `default`. */
export const VolumeRecord = keyed({
  member: Type.String(),
  volume: Type.String({ description: "The engine's volume name." }),
  superseded: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Engine volumes it had before restores; they go when the next starts of instances have let go of them.',
    }),
  ),
  description: Type.String(),
  config: Config,
  created_at: Time,
})
export type VolumeRecord = Static<typeof VolumeRecord>

/** A custom volume as it was. `name` is the snapshot's own name; it is unique within its volume. */
export const VolumeSnapshotRecord = keyed({
  member: Type.String(),
  parent: Type.String({ description: "The volume's uuid." }),
  volume: Type.String({ description: "Name of the engine's volume that holds the files." }),
  description: Type.String(),
  config: Config,
  created_at: Time,
  expires_at: Time,
})
export type VolumeSnapshotRecord = Static<typeof VolumeSnapshotRecord>

/** `name` is unique within its volume. */
export const VolumeBackupRecord = keyed({
  ...backup,
  parent: Type.String({ description: "The volume's uuid." }),
  volume_only: Type.Boolean({ description: 'Without its snapshots.' }),
})
export type VolumeBackupRecord = Static<typeof VolumeBackupRecord>

export const ProjectRecord = keyed({
  description: Type.String(),
  config: Config,
  held: Type.Optional(
    Type.Boolean({ description: 'Whoever takes room in it changes this record, as where it has limits.' }),
  ),
})
export type ProjectRecord = Static<typeof ProjectRecord>

/** `name` is chosen by its maker and unique; only a hash of the secret is kept. */
export const TokenRecord = keyed({
  hash: Type.String({ description: 'SHA-256 of the token, hex.' }),
  role: Role,
  projects: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'null: every project.' }),
  description: Type.String(),
  created_at: Time,
  expires_at: Time,
})
export type TokenRecord = Static<typeof TokenRecord>

/** A client certificate that is trusted. `name` is its fingerprint. */
export const CertificateRecord = keyed({
  label: Type.String({ description: "LXD's name of it; need not be unique." }),
  certificate: Type.String({ description: 'PEM.' }),
  role: Role,
  projects: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'null: every project.' }),
  valid_from: Time,
  valid_to: Time,
  created_at: Time,
})
export type CertificateRecord = Static<typeof CertificateRecord>

/** `name` is a key of its own by which the same trouble is found again. */
export const WarningRecord = keyed({
  type: Type.String(),
  severity: Type.Union([Type.Literal('low'), Type.Literal('moderate'), Type.Literal('high')]),
  status: Type.Union([Type.Literal('new'), Type.Literal('acknowledged'), Type.Literal('resolved')]),
  message: Type.String(),
  count: Type.Integer(),
  first_seen_at: Time,
  last_seen_at: Time,
  entity_url: Type.String(),
})
export type WarningRecord = Static<typeof WarningRecord>

/** One address of a network, held by one nic of one instance. `name` is the address. */
export const LeaseRecord = keyed({
  network: Type.String({ description: "The network's uuid." }),
  instance: Type.String({ description: "The instance's uuid." }),
  device: Type.String(),
})
export type LeaseRecord = Static<typeof LeaseRecord>

/** A dialect's own name or number for an instance. `name` is that name; it is unique within its dialect. */
export const NicknameRecord = keyed({
  dialect: Type.String(),
  instance: Type.String({ description: "The instance's uuid." }),
})
export type NicknameRecord = Static<typeof NicknameRecord>

/** The server's own settings (`PUT /1.0`); a single record. */
export const ServerRecord = keyed({ config: Config })
export type ServerRecord = Static<typeof ServerRecord>

/** Every noun with its schema; loops over records are written over this table. */
export const RECORDS = {
  instance: InstanceRecord,
  snapshot: SnapshotRecord,
  backup: BackupRecord,
  image: ImageRecord,
  alias: AliasRecord,
  profile: ProfileRecord,
  network: NetworkRecord,
  volume: VolumeRecord,
  'volume-snapshot': VolumeSnapshotRecord,
  'volume-backup': VolumeBackupRecord,
  project: ProjectRecord,
  token: TokenRecord,
  certificate: CertificateRecord,
  warning: WarningRecord,
  lease: LeaseRecord,
  nickname: NicknameRecord,
  server: ServerRecord,
} as const

export type Noun = keyof typeof RECORDS
export type RecordOf<N extends Noun> = Static<(typeof RECORDS)[N]>
export type AnyRecord = { [N in Noun]: { noun: N; record: RecordOf<N> } }[Noun]
