/**
 * The engine port: what Windlass asks of one Docker Engine. It speaks of containers, images, networks and volumes in
 * the engine's sense; everything above turns instances into these (core/container-spec.ts). All errors are Failures:
 * not-found, conflict, bad-request, unavailable (no engine), timeout, internal with the engine's words.
 * Calls that may be repeated are written so that repeating them is no error (starting a started container, removing
 * a missing one).
 */
import type { Readable } from 'node:stream'
import type { Runs } from '../contract/backup.ts'
import type { KeptMetadata } from '../contract/image-metadata.ts'
import type { Boot } from '../contract/records.ts'
import type { Backups } from './backups.ts'
import type { PackedBy } from './compression.ts'
import type { Containers, Execs, OwnLabels } from './container.ts'
import type { Files } from './files.ts'
import type { VolumeBackups } from './volume-backups.ts'
import type { KeptFile } from './kept-files.ts'

/** How an image runs, from its own configuration. */
export interface ImageDetail {
  id: string
  tags: string[]
  digests: string[]
  created: number
  size: number
  architecture: string
  layers: number
  labels: Record<string, string>
  own: OwnLabels | undefined
  command: string[]
  entrypoint: string[]
  environment: Record<string, string>
  user: string
  workdir: string
  stopSignal: string
  volumes: string[]
  parent: string
}

/** How an image of files alone is to run; what is left out is as the engine has it. */
export type ImageRuns = Pick<Runs, 'command' | 'environment'> &
  Partial<Pick<Runs, 'entrypoint' | 'user' | 'workdir' | 'stopSignal'>>

export interface PullProgress {
  text: string
  percent: number
}

export interface Images {
  /** The id of an image of ours without any file, made once per engine. */
  empty(signal?: AbortSignal): Promise<string>
  /** All images of the engine, intermediate ones too. */
  list(signal?: AbortSignal): Promise<ImageDetailSummary[]>
  inspect(reference: string, signal?: AbortSignal): Promise<ImageDetail | undefined>
  find(labels: Partial<OwnLabels>, signal?: AbortSignal): Promise<ImageDetailSummary[]>
  /**
   * Finds the commit this operation and step already made, else commits; flattens at 100 layers. The id. It runs like
   * the image the container was made from: environment, command, user … that the container was given are not in it.
   * `first`: there was no earlier attempt, whose commit would have to be looked for among all images.
   */
  commit(
    container: string,
    options: { labels: OwnLabels; tag: string; first?: boolean },
    signal?: AbortSignal,
  ): Promise<string>
  /** A root file system as plain tar → an image. The id. A failed one leaves nothing. */
  importTar(
    tar: Readable,
    options: { labels: OwnLabels; tag: string } & ImageRuns,
    signal?: AbortSignal,
  ): Promise<string>
  /** What `docker save` wrote, as plain tar. The loaded image's id; more than one image is refused. */
  load(tar: Readable, signal?: AbortSignal): Promise<string>
  /**
   * A tarball that `putFile` kept (LXD unified, `docker save` or a root file system; gzip, xz, zstd, bzip2, lzma or
   * plain) → an image. With `rootfs` the first file is LXD's metadata and the second one the root file system.
   */
  importTarball(
    kept: { volume: string; file: string; rootfs?: string; labels: OwnLabels },
    options: { labels: OwnLabels; tag: string; onProgress(text: string, percent: number): void },
    signal?: AbortSignal,
  ): Promise<ImportedTarball>
  /** An image as an LXD unified tarball, kept in a volume; compressed outside the event loop. */
  packTarball(
    image: string,
    options: {
      volume: string
      file: string
      labels: OwnLabels
      compression: PackedBy
      /** `boot` and the image's command go along, so that an import elsewhere runs it the same way. */
      metadata: {
        architecture: string
        created: number
        /** Milliseconds since 1970; 0: never. */
        expires: number
        properties: Record<string, string>
        boot: Boot
        templates: Pick<KeptMetadata, 'templates' | 'files'>
      }
    },
    signal?: AbortSignal,
  ): Promise<KeptFile>
  /** `docker save`. */
  save(reference: string, signal?: AbortSignal): Promise<Readable>
  /** Ends when the image is there; fails on any error line. */
  pull(
    reference: string,
    options: { credentials?: { username: string; password: string }; onProgress(progress: PullProgress): void },
    signal?: AbortSignal,
  ): Promise<{ id: string; digest: string }>
  tag(id: string, tag: string, signal?: AbortSignal): Promise<void>
  /** Removes a tag, without force. `in-use`: something still needs it. */
  untag(tag: string, signal?: AbortSignal): Promise<'removed' | 'missing' | 'in-use'>
}

export interface ImageDetailSummary {
  id: string
  tags: string[]
  labels: Record<string, string>
  own: OwnLabels | undefined
  /** What a container that others make of it says of itself, as if it were ours. */
  inherited: OwnLabels | undefined
  size: number
  created: number
  parent: string
}

export interface VolumeDetail {
  name: string
  labels: Record<string, string>
  own: OwnLabels | undefined
  created: number
}

export interface Volumes {
  create(name: string, labels: OwnLabels, signal?: AbortSignal): Promise<void>
  inspect(name: string, signal?: AbortSignal): Promise<VolumeDetail | undefined>
  list(signal?: AbortSignal): Promise<VolumeDetail[]>
  find(labels: Partial<OwnLabels>, signal?: AbortSignal): Promise<VolumeDetail[]>
  /** Copies all files of one volume into another, empty one (engine.md, recipe 7). */
  copy(from: string, to: string, labels: OwnLabels, signal?: AbortSignal): Promise<void>
  /** Unpacks a plain tar at the volume's root. */
  write(name: string, tar: Readable, labels: OwnLabels, signal?: AbortSignal): Promise<void>
  /** A plain tar of the volume's files; the first path element is stripped. */
  read(name: string, labels: OwnLabels, signal?: AbortSignal): Promise<Readable>
  remove(name: string, signal?: AbortSignal): Promise<'removed' | 'missing' | 'in-use'>
  /** Bytes its files take, which the engine finds out by looking at each; undefined where it does not say. */
  usage(name: string, signal?: AbortSignal): Promise<number | undefined>
  /**
   * Keeps a stream of unknown length as one file of a volume, in parts of bounded size (a tar entry needs its length),
   * hashing on the way. More than `maxBytes` is too-large and leaves nothing.
   */
  putFile(
    name: string,
    file: string,
    content: Readable,
    options: { labels: OwnLabels; maxBytes: number },
    signal?: AbortSignal,
  ): Promise<KeptFile>
  /** What `putFile` kept; undefined when there is no such file. Must be read or destroyed. */
  getFile(
    name: string,
    file: string,
    labels: OwnLabels,
    signal?: AbortSignal,
  ): Promise<{ size: number; content: Readable } | undefined>
}

/** What an uploaded tarball turned out to be. */
export interface ImportedTarball {
  id: string
  format: 'lxd' | 'docker' | 'rootfs'
  boot: Boot
  /** In the engine's words (amd64). */
  architecture: string
  size: number
  /** Of an LXD image's metadata.yaml. */
  properties: Record<string, string>
  /** All of it, with the templates beside it; undefined for another format. */
  metadata?: KeptMetadata
}

export interface NetworkSpec {
  name: string
  /** The bridge interface on the host; 15 characters at most. */
  bridge: string
  subnet: string
  gateway: string
  /** The part of the subnet from which the engine may give addresses to containers that are not ours. */
  foreignRange: string
  /** false: what leaves the bridge keeps its own address. */
  nat?: boolean | undefined
  labels: OwnLabels
}

export interface NetworkDetail {
  id: string
  name: string
  driver: string
  bridge: string
  subnet: string
  gateway: string
  own: OwnLabels | undefined
  containers: string[]
}

export interface Networks {
  create(spec: NetworkSpec, signal?: AbortSignal): Promise<string>
  list(signal?: AbortSignal): Promise<NetworkDetail[]>
  inspect(reference: string, signal?: AbortSignal): Promise<NetworkDetail | undefined>
  remove(id: string, signal?: AbortSignal): Promise<'removed' | 'missing' | 'in-use'>
}

export interface EngineInfo {
  version: string
  apiVersion: string
  name: string
  kernel: string
  os: string
  architecture: string
  storageDriver: string
  cgroupVersion: string
  cgroupDriver: string
  cpus: number
  memoryBytes: number
  securityOptions: string[]
  /** How many containers run, ours and others; `containers` and `images` count all. */
  containersRunning: number
  containers: number
  images: number
  rootDir: string
  /** Names of the runtimes that it knows. */
  runtimes: string[]
}

/** How an engine can give GPUs: by its nvidia runtime, or as the nodes that its host has. */
export type Gpus = 'runtime' | 'nodes' | 'none'

export type EngineEvent = {
  type: 'container' | 'image' | 'network' | 'volume'
  action: string
  /** Container id, image id, network id, volume name. */
  id: string
  /** Milliseconds since 1970. */
  at: number
  exitCode: number | undefined
  attributes: Record<string, string>
}

/** One Docker Engine. */
export interface Engine {
  readonly member: string
  /** What it is; its counts may be a minute old. */
  info(signal?: AbortSignal): Promise<EngineInfo>
  /** When its present process came up, milliseconds since 1970; 0 when it does not say. */
  startedAt(signal?: AbortSignal): Promise<number>
  /** Resolves when it answers; unavailable else, within 2 s. */
  ping(signal?: AbortSignal): Promise<void>
  /** Whether there are GPUs that it can give. */
  gpus(signal?: AbortSignal): Promise<Gpus>
  readonly containers: Containers
  readonly images: Images
  readonly volumes: Volumes
  readonly backups: Backups
  readonly volumeBackups: VolumeBackups
  readonly networks: Networks
  readonly execs: Execs
  readonly files: Files
  /** Calls back per event, `onConnect` at each (re)connection (list again then); runs until the signal. */
  watch(
    handlers: { onEvent(event: EngineEvent): void; onConnect(): void; onLost(failure: Error): void },
    signal: AbortSignal,
  ): Promise<void>
  close(): Promise<void>
}
