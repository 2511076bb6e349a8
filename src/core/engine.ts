/**
 * The engine port: what Windlass asks of one Docker Engine. It speaks of containers, images, networks and volumes in
 * the engine's sense; everything above turns instances into these (core/container-spec.ts). All errors are Failures:
 * not-found, conflict, bad-request, unavailable (no engine), timeout, internal with the engine's words.
 * Calls that may be repeated are written so that repeating them is no error (starting a started container, removing
 * a missing one).
 */
import type { Readable } from 'node:stream'
import type { Boot } from '../contract/records.ts'

/** Labels every object of ours carries, all of them on each creation (labels of images are inherited). */
export interface OwnLabels {
  deployment: string
  /** What the object is: see `ObjectRole`. */
  role: ObjectRole
  /** uuid of the record it belongs to. */
  uuid: string
  project: string
  operation: string
  step: string
  /** JSON of what the record held at creation, from which it can be rebuilt; '' where there is nothing to say. */
  origin: string
}
export type ObjectRole = 'instance' | 'snapshot' | 'image' | 'volume' | 'network' | 'tarball' | 'output' | 'helper'

export interface Nic {
  /** LXD's device name; also the order. */
  device: string
  /** The engine's network, by name or id. */
  network: string
  address: string
  mac: string
  /** Names by which it is resolved on that network. */
  aliases: string[]
}

/** `populate`: a volume that is still empty gets what the image has at that path. */
export type Mount =
  | { type: 'volume'; volume: string; path: string; readonly: boolean; populate: boolean }
  | { type: 'bind'; source: string; path: string; readonly: boolean }

export interface PublishedPort {
  protocol: 'tcp' | 'udp'
  /** Address of the host; '' for all. */
  listen: string
  hostPort: number
  containerPort: number
}

/** 0 means no limit. */
export interface Limits {
  /** CPU time per 100 ms period, in microseconds. */
  cpuQuota: number
  cpuShares: number
  /** `0-1,3`, or '' for all. */
  cpuSet: string
  memoryBytes: number
  /** Bytes of swap on top of memory; -1 unlimited. */
  swapBytes: number
  processes: number
}

/** Everything that decides how a container is made. The policy of roles is checked on this. */
export interface ContainerSpec {
  name: string
  image: string
  hostname: string
  /** Suffix by which others on the network resolve it, e.g. `lxd`. */
  searchDomain: string
  labels: OwnLabels
  boot: Boot
  /** undefined: the image's own. */
  command: string[] | undefined
  entrypoint: string[] | undefined
  user: string | undefined
  workdir: string | undefined
  stopSignal: string
  environment: Record<string, string>
  nics: Nic[]
  mounts: Mount[]
  ports: PublishedPort[]
  limits: Limits
  privileged: boolean
  nesting: boolean
}

export type ContainerStatus = 'created' | 'running' | 'paused' | 'exited' | 'dead' | 'removing' | 'restarting'

/** What a list tells of a container, of ours or of others. */
export interface ContainerSummary {
  id: string
  /** Without the leading slash. */
  name: string
  image: string
  imageId: string
  status: ContainerStatus
  /** Milliseconds since 1970. */
  created: number
  labels: Record<string, string>
  own: OwnLabels | undefined
  networks: Record<
    string,
    { address: string; mac: string; prefix: number; gateway: string; ipv6: string; prefix6: number }
  >
}

export interface ContainerDetail extends ContainerSummary {
  pid: number
  exitCode: number
  /** Milliseconds since 1970, 0 for never. */
  startedAt: number
  finishedAt: number
  error: string
  oomKilled: boolean
  hostname: string
  tty: boolean
  stopSignal: string
  command: string[]
  entrypoint: string[]
  environment: Record<string, string>
  privileged: boolean
  binds: string[]
  mounts: { type: string; volume: string; source: string; path: string; readonly: boolean }[]
  hostNamespaces: string[]
  addedCapabilities: string[]
}

export interface ContainerStats {
  cpuNanoseconds: number
  memoryBytes: number
  memoryPeakBytes: number
  swapBytes: number
  processes: number
  networks: Record<
    string,
    {
      rxBytes: number
      rxPackets: number
      rxErrors: number
      rxDropped: number
      txBytes: number
      txPackets: number
      txErrors: number
      txDropped: number
    }
  >
}

export interface FileStat {
  name: string
  size: number
  mode: number
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Milliseconds since 1970. */
  modified: number
  linkTarget: string
}

export interface Containers {
  /** The id. A conflict of names names the holder. */
  create(spec: ContainerSpec, signal?: AbortSignal): Promise<string>
  /** Those whose labels equal all given ones. */
  find(labels: Partial<OwnLabels>, signal?: AbortSignal): Promise<ContainerSummary[]>
  list(signal?: AbortSignal): Promise<ContainerSummary[]>
  /** By exact id or exact name; undefined when there is none (never another one by id prefix). */
  inspect(reference: string, signal?: AbortSignal): Promise<ContainerDetail | undefined>
  start(id: string, signal?: AbortSignal): Promise<void>
  /** Sends `stopSignal` and waits `timeoutSeconds` (-1: no bound but the signal's); then kills, or says it still runs. */
  stop(
    id: string,
    stop: { stopSignal: string; timeoutSeconds: number; thenKill: boolean },
    signal?: AbortSignal,
  ): Promise<'stopped' | 'running'>
  kill(id: string, killSignal: string, signal?: AbortSignal): Promise<void>
  pause(id: string, signal?: AbortSignal): Promise<void>
  unpause(id: string, signal?: AbortSignal): Promise<void>
  rename(id: string, name: string, signal?: AbortSignal): Promise<void>
  /** Removes it and its anonymous volumes never; force kills first. */
  remove(id: string, options: { force: boolean }, signal?: AbortSignal): Promise<void>
  updateLimits(id: string, limits: Limits, signal?: AbortSignal): Promise<void>
  stats(id: string, signal?: AbortSignal): Promise<ContainerStats | undefined>
  /** The console output kept by the engine, demultiplexed, both streams in order; ends by itself. */
  logs(id: string, options: { tail: number }, signal?: AbortSignal): Promise<Readable>
  stat(id: string, path: string, signal?: AbortSignal): Promise<FileStat | undefined>
  /** A plain tar of one path. Must be read or destroyed at once: it holds the container's lock. */
  readTar(id: string, path: string, signal?: AbortSignal): Promise<Readable>
  /** Unpacks a plain (never compressed) tar below `path`. */
  writeTar(id: string, path: string, tar: Readable, signal?: AbortSignal): Promise<void>
  /** The whole root file system as a tar. */
  exportTar(id: string, signal?: AbortSignal): Promise<Readable>
}

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
   */
  commit(container: string, options: { labels: OwnLabels; tag: string }, signal?: AbortSignal): Promise<string>
  /** A root file system as plain tar → an image. The id. A failed one leaves nothing. */
  importTar(
    tar: Readable,
    options: { labels: OwnLabels; tag: string; command: string[]; environment: Record<string, string> },
    signal?: AbortSignal,
  ): Promise<string>
  /** What `docker save` wrote, as plain tar. The loaded image's id; more than one image is refused. */
  load(tar: Readable, signal?: AbortSignal): Promise<string>
  /** A tarball that `putFile` kept (LXD unified, `docker save` or a root file system; gzip, xz, zstd or plain) → an image. */
  importTarball(
    kept: { volume: string; file: string; labels: OwnLabels },
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
      compression: 'gzip' | 'zstd' | 'none'
      /** `boot` and the image's command go along, so that an import elsewhere runs it the same way. */
      metadata: { architecture: string; created: number; properties: Record<string, string>; boot: Boot }
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

export interface KeptFile {
  size: number
  /** Hex. */
  sha256: string
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

export interface ExecSpec {
  container: string
  command: string[]
  environment: Record<string, string>
  user: string
  cwd: string
  tty: boolean
  width: number
  height: number
  /** Carried in the process's environment; by it the process and its children are found and killed. */
  marker: string
}

/** A process in a container. `stdout` and `stderr` end when it ends (with a short grace for orphans that hold them). */
export interface RunningExec {
  stdin: NodeJS.WritableStream
  stdout: Readable
  /** Ends at once with a terminal. */
  stderr: Readable
  resize(width: number, height: number): Promise<void>
  /** Sends a signal to everything that carries the marker. */
  signal(name: string): Promise<void>
  /** 127 and 126 as a shell says them, 137 when the container stopped; `failure` is the engine's text where it did not start. */
  exit: Promise<{ code: number; failure: string | undefined }>
}

export interface Execs {
  run(spec: ExecSpec, signal?: AbortSignal): Promise<RunningExec>
  /** Whether a process with this marker is alive in the container. */
  alive(container: string, marker: string, user: string, signal?: AbortSignal): Promise<boolean>
  killMarked(container: string, marker: string, user: string, killSignal: string, signal?: AbortSignal): Promise<void>
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
  /** Milliseconds since 1970 at which the engine process came up, 0 when it does not say. */
  containersRunning: number
  containers: number
  images: number
  rootDir: string
}

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
  info(signal?: AbortSignal): Promise<EngineInfo>
  /** Resolves when it answers; unavailable else, within 2 s. */
  ping(signal?: AbortSignal): Promise<void>
  readonly containers: Containers
  readonly images: Images
  readonly volumes: Volumes
  readonly networks: Networks
  readonly execs: Execs
  /** Calls back per event, `onConnect` at each (re)connection (list again then); runs until the signal. */
  watch(
    handlers: { onEvent(event: EngineEvent): void; onConnect(): void; onLost(failure: Error): void },
    signal: AbortSignal,
  ): Promise<void>
  close(): Promise<void>
}
