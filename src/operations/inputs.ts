/** The input of each operation kind: resolved ids and values, decided when the request was accepted, checked again by the worker. */
import Type, { type Static } from 'typebox'
import { Config, Devices, Role, Time } from '../contract/common.ts'
import {
  AliasRecord,
  BackupRecord,
  ImageOrigin,
  ImageRecord,
  InstanceRecord,
  NetworkRecord,
  OtherServer,
  SnapshotRecord,
  VolumeBackupRecord,
  VolumeRecord,
  VolumeSnapshotRecord,
} from '../contract/records.ts'

const Uuid = Type.String({ minLength: 1, maxLength: 64 })

/** An image of another server that is brought here, `limit` bytes at most. */
export const ImageFetch = Type.Object({ origin: ImageOrigin, limit: Type.Integer() })
export type ImageFetch = Static<typeof ImageFetch>

/** An instance as it is to become; `container`, `engineImage`, `boot` and `volumes` are filled in by the worker. */
export const Draft = InstanceRecord
export type Draft = Static<typeof Draft>

export const InstanceCreate = Type.Object({
  draft: Draft,
  source: Type.Union([
    Type.Object({ type: Type.Literal('image'), image: Uuid }),
    Type.Object({ type: Type.Literal('registry'), reference: Type.String(), image: ImageRecord }),
    Type.Object({ type: Type.Literal('server'), from: ImageFetch, image: ImageRecord }),
    Type.Object({ type: Type.Literal('none') }),
  ]),
  start: Type.Boolean(),
})

export const InstanceCopy = Type.Object({
  draft: Draft,
  /** A snapshot's uuid copies that snapshot; '' copies the instance as it is. */
  source: Type.Object({ instance: Uuid, snapshot: Type.String() }),
  /** The snapshots that are copied along: the source's uuid → the new record. */
  snapshots: Type.Array(Type.Object({ from: Uuid, record: SnapshotRecord })),
})

export const InstanceRefresh = Type.Object({
  instance: Uuid,
  source: Uuid,
  /** As of `InstanceCopy`: those that the copy lacks. */
  snapshots: InstanceCopy.properties.snapshots,
  /** Those of the copy that the source does not have. */
  gone: Type.Array(Uuid),
})

export const InstanceTarget = Type.Object({ instance: Uuid })

export const InstanceUpdate = Type.Object({
  instance: Uuid,
  next: InstanceRecord,
  /** Expanded, as the container was made by: given where a profile has changed already. */
  before: Type.Optional(Type.Object({ config: Config, devices: Devices })),
  /** What would restart a running instance waits for its next start. */
  deferred: Type.Optional(Type.Boolean()),
})
export const InstanceRename = Type.Object({ instance: Uuid, name: Type.String() })

/** `timeout` in seconds: -1 without bound, 0 the default of the kind. */
export const InstanceStop = Type.Object({
  instance: Uuid,
  timeout: Type.Integer({ minimum: -1 }),
  force: Type.Boolean(),
  /** Kills what has not stopped in time, where it would fail otherwise. */
  kill: Type.Optional(Type.Boolean()),
})

/** `instances` by uuid; each with an operation of its own. */
export const InstanceBulk = Type.Object({
  action: Type.String(),
  instances: Type.Array(Uuid),
  timeout: Type.Integer({ minimum: -1 }),
  force: Type.Boolean(),
})

const command = {
  instance: Uuid,
  command: Type.Array(Type.String(), { minItems: 1 }),
  environment: Config,
  user: Type.Integer({ minimum: 0 }),
  group: Type.Integer({ minimum: 0 }),
  cwd: Type.String(),
}

export const InstanceExec = Type.Object({ ...command, record: Type.Boolean() })

/** Of a terminal; 0 where it is not known. */
const size = { width: Type.Integer({ minimum: 0 }), height: Type.Integer({ minimum: 0 }) }

/** A command whose streams are websockets. */
export const InstanceSession = Type.Object({ ...command, interactive: Type.Boolean(), ...size })
export const InstanceConsole = Type.Object({ instance: Uuid, ...size })

export const SnapshotCreate = Type.Object({ instance: Uuid, record: SnapshotRecord })
export const SnapshotRestore = Type.Object({ instance: Uuid, snapshot: Uuid })
export const SnapshotTarget = Type.Object({ instance: Uuid, snapshot: Uuid })
export const SnapshotUpdate = Type.Object({ instance: Uuid, snapshot: Uuid, next: SnapshotRecord })

const Compression = Type.Union([
  Type.Literal('gzip'),
  Type.Literal('zstd'),
  Type.Literal('none'),
  Type.Literal('xz'),
  Type.Literal('bzip2'),
  Type.Literal('lzma'),
])

export const BackupCreate = Type.Object({ instance: Uuid, record: BackupRecord, compression: Compression })
export const BackupTarget = Type.Object({ instance: Uuid, backup: Uuid })
export const BackupRename = Type.Object({ instance: Uuid, backup: Uuid, name: Type.String() })

export const InstanceImport = Type.Object({
  draft: Draft,
  /** The volume that holds the backup. */
  upload: Type.String(),
  /** Paths of its own volumes, in the order of the backup's. */
  volumes: Type.Array(Type.String()),
  snapshots: Type.Array(Type.Object({ record: SnapshotRecord, volumes: Type.Array(Type.String()) })),
})

export const ImageImport = Type.Object({
  /** What is known before the tarball was read: fingerprint, file name, properties given by headers. */
  image: ImageRecord,
  /** The volume that holds the upload. */
  upload: Type.String(),
  /** It is fetched from there first. */
  from: Type.Optional(ImageFetch),
  aliases: Type.Array(AliasRecord),
})

export const ImagePull = Type.Object({ image: ImageRecord, reference: Type.String(), aliases: Type.Array(AliasRecord) })

export const ImagePublish = Type.Object({
  image: ImageRecord,
  source: Type.Object({ instance: Uuid, snapshot: Type.String() }),
  compression: Compression,
  aliases: Type.Array(AliasRecord),
})

/** Who shows the secret may read the image until then. */
export const ImageShare = Type.Object({ image: Uuid, expires_at: Time })
/** An image that whoever shows the secret may send until then, for who has asked for it. */
export const ImageAwait = Type.Object({
  image: Type.String({ minLength: 1, maxLength: 255, description: 'Its fingerprint, or what it is called there.' }),
  public: Type.Boolean(),
  properties: Config,
  /** When the image is to expire. */
  keep_until: Time,
  aliases: Type.Array(Type.Object({ name: Type.String(), description: Type.String() })),
  expires_at: Time,
})
/** An image that is sent to another server, which calls it `name`, into a project there. */
export const ImagePush = Type.Object({
  image: Uuid,
  name: Type.String(),
  target: OtherServer,
  project: Type.String(),
})
/** From the registry that its source names, or from another server. */
export const ImageRefresh = Type.Object({ image: Uuid, next: ImageRecord, from: Type.Optional(ImageFetch) })
export const ImageTarget = Type.Object({ image: Uuid })
export const NetworkCreate = Type.Object({
  /** Without subnet and gateway a free one is found. */
  network: NetworkRecord,
  /** Whether it may have another name on the engine when its own is taken there. */
  elsewhere: Type.Optional(Type.Boolean()),
  /** What the engine's host is known to use besides the engine's networks. */
  avoid: Type.Optional(Type.Object({ subnets: Type.Array(Type.String()), interfaces: Type.Array(Type.String()) })),
})
export const NetworkRename = Type.Object({
  network: Uuid,
  name: Type.String(),
  avoid: Type.Object({ subnets: Type.Array(Type.String()), interfaces: Type.Array(Type.String()) }),
})
export const NetworkTarget = Type.Object({ network: Uuid })
export const VolumeCreate = Type.Object({ volume: VolumeRecord })

/** Instances that mount the volume: those that run stand still while its files are copied. */
const Users = Type.Array(Uuid)
/** The source's uuid → the new record. */
const VolumeSnapshotsAlong = Type.Array(Type.Object({ from: Uuid, record: VolumeSnapshotRecord }))

export const VolumeCopy = Type.Object({
  volume: VolumeRecord,
  from: Uuid,
  /** Of the source: copies it as it was then. */
  snapshot: Type.Optional(Uuid),
  /** Those that are copied along. */
  snapshots: Type.Optional(VolumeSnapshotsAlong),
  users: Type.Optional(Users),
})
export const VolumeRefresh = Type.Object({
  /** The copy. */
  volume: Uuid,
  from: Uuid,
  /** Of the source: brings the files it had then. */
  snapshot: Type.Optional(Uuid),
  /** The engine's name of the volume that takes the place of the one it has. */
  into: Type.String(),
  /** Those of the source that the copy lacks. */
  snapshots: VolumeSnapshotsAlong,
  /** Those of the copy that the source has no more. */
  gone: Type.Array(Uuid),
  /** Of the source. */
  users: Users,
  /** Instances that mount the copy, which do not run. */
  mounters: Type.Array(Uuid),
})
export const VolumeTarget = Type.Object({ volume: Uuid })
export const VolumeRestore = Type.Object({
  volume: Uuid,
  snapshot: Uuid,
  /** The engine's name of the volume that takes the place of the one it has. */
  into: Type.String(),
  /** What is changed of it by the way. */
  change: Type.Optional(Type.Object({ description: Type.String(), config: Config })),
  /** Instances that mount it, which do not run. */
  users: Type.Optional(Users),
})
export const VolumeSnapshotCreate = Type.Object({ record: VolumeSnapshotRecord, users: Users })
export const VolumeSnapshotRename = Type.Object({ snapshot: Uuid, name: Type.String() })
export const VolumeSnapshotTarget = Type.Object({ snapshot: Uuid })
export const VolumeBackupCreate = Type.Object({
  record: VolumeBackupRecord,
  compression: Compression,
  users: Users,
  /** Those that stay until it is made. */
  snapshots: Type.Optional(Type.Array(Uuid)),
})
export const VolumeBackupRename = Type.Object({ backup: Uuid, name: Type.String() })
export const VolumeBackupTarget = Type.Object({ backup: Uuid })
export const VolumeImport = Type.Object({
  volume: VolumeRecord,
  /** Those of the backup, in its order. */
  snapshots: Type.Array(VolumeSnapshotRecord),
  /** The engine's volume that holds the backup. */
  upload: Type.String(),
})
/** What whoever uses the trust token will be: the certificate's label, its role and its projects. */
export const CertificateInvite = Type.Object({
  name: Type.String(),
  role: Role,
  projects: Type.Union([Type.Array(Type.String()), Type.Null()]),
  expires_at: Time,
})
/** `dry_run`: only tells what would be done. */
export const ServerReconcile = Type.Object({ dry_run: Type.Boolean() })
/** `rev`: of the project, held while it was found empty. */
export const ProjectRename = Type.Object({
  project: Uuid,
  name: Type.String(),
  rev: Type.Optional(Type.Integer()),
})
