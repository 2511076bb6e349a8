/** Containers as the engine port knows them: what one is made from, what it is told to be, and what runs in it. */
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
export type ObjectRole =
  | 'instance'
  | 'snapshot'
  | 'backup'
  | 'image'
  | 'volume'
  | 'network'
  | 'tarball'
  | 'output'
  | 'helper'

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
  /** `required`: without the host's path there is no container; else it is left out. */
  | { type: 'bind'; device: string; source: string; path: string; readonly: boolean; required: boolean }

/** A device node of the host. */
export interface HostDevice {
  /** LXD's device name. */
  device: string
  kind: 'unix-char' | 'unix-block'
  /** Of no account where it has numbers. */
  source: string
  /** By which it is found on the host. */
  numbers?: { major: number; minor: number }
  path: string
  /** Of `rwm`: read, write, make nodes of it. */
  permissions: string
  /** Without it there is no container; else it is left out. */
  required: boolean
}

export interface GpuRequest {
  /** LXD's device name. */
  device: string
  /** Its number on the host; '' for all. */
  id: string
}

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
  /** Asked for names that the engine does not know; none: the host's. */
  nameservers: string[]
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
  hostDevices: HostDevice[]
  gpus: GpuRequest[]
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
  /** Where its processes start; '' for the root. */
  workdir: string
  command: string[]
  entrypoint: string[]
  environment: Record<string, string>
  privileged: boolean
  binds: string[]
  mounts: { type: string; volume: string; source: string; path: string; readonly: boolean }[]
  hostNamespaces: string[]
  /** Nodes of the host and rules for them; without the GPUs that its runtime gives. */
  hostDevices: string[]
  addedCapabilities: string[]
}

export interface ContainerStats {
  cpuNanoseconds: number
  memoryBytes: number
  /** The container's limit, or all memory of the host. */
  memoryLimitBytes: number
  memoryPeakBytes: number
  swapBytes: number
  /** Of the memory, what the kernel holds for it. */
  kernelBytes: number
  /** Read from and written to disks. */
  blockBytes: number
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
  /** Of an `other` that is a device. */
  node?: 'char' | 'block'
}

/** The last `tail` lines (all for a negative number) of what came after `since` ('' for the beginning). */
export interface LogPart {
  tail: number
  since?: string
}

export interface Containers {
  /** The id. A conflict of names names the holder. */
  create(spec: ContainerSpec, signal?: AbortSignal): Promise<string>
  /** Those whose labels equal all given ones. */
  find(labels: Partial<OwnLabels>, signal?: AbortSignal): Promise<ContainerSummary[]>
  list(signal?: AbortSignal): Promise<ContainerSummary[]>
  /** By exact id or exact name; undefined when there is none (never another one by id prefix). */
  inspect(reference: string, signal?: AbortSignal): Promise<ContainerDetail | undefined>
  /** Bytes of what it has written beside its image and volumes: the engine looks at all of it. Undefined where it does not say. */
  size(id: string, signal?: AbortSignal): Promise<number | undefined>
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
  logs(id: string, options: LogPart, signal?: AbortSignal): Promise<Readable>
  /** Where that output ends today, for `since`; '' where there is none. */
  logEnd(id: string, signal?: AbortSignal): Promise<string>
  /** Joins the terminal of a running container that has one. */
  attach(id: string, signal?: AbortSignal): Promise<AttachedConsole>
  stat(id: string, path: string, signal?: AbortSignal): Promise<FileStat | undefined>
  /** A plain tar of one path. Must be read or destroyed at once: it holds the container's lock. */
  readTar(id: string, path: string, signal?: AbortSignal): Promise<Readable>
  /** Unpacks a plain (never compressed) tar below `path`. */
  writeTar(id: string, path: string, tar: Readable, signal?: AbortSignal): Promise<void>
  /** The whole root file system as a tar. */
  exportTar(id: string, signal?: AbortSignal): Promise<Readable>
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

/** A container's own terminal. What is not read holds the connection up, not the container. */
export interface AttachedConsole {
  /** Never ends the container's input. */
  input: NodeJS.WritableStream
  /** Ends when the container stops. */
  output: Readable
  resize(width: number, height: number): Promise<void>
  /** Lets go of it; the container runs on. */
  detach(): void
}

/** A process in a container. `stdout` and `stderr` end when it ends (with a short grace for orphans that hold them). */
export interface RunningExec {
  stdin: NodeJS.WritableStream
  stdout: Readable
  /** Ends at once with a terminal. */
  stderr: Readable
  resize(width: number, height: number): Promise<void>
  /** Sends a signal, by name or number, to everything that carries the marker, or to the process itself alone. */
  signal(name: string, options?: { alone: boolean }): Promise<void>
  /** 127 and 126 as a shell says them, 137 when the container stopped; `failure` is the engine's text where it did not start. */
  exit: Promise<{ code: number; failure: string | undefined }>
}

export interface Execs {
  run(spec: ExecSpec, signal?: AbortSignal): Promise<RunningExec>
  /** Whether a process with this marker is alive in the container. */
  alive(container: string, marker: string, user: string, signal?: AbortSignal): Promise<boolean>
  killMarked(container: string, marker: string, user: string, killSignal: string, signal?: AbortSignal): Promise<void>
}
