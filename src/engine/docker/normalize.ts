/** One normaliser per payload of the engine, from API 1.41 on; tested over the recorded answers of real engines. */
import type { ContainerDetail, ContainerStatus, ContainerSummary } from '../../core/container.ts'
import type { EngineInfo, ImageDetail, ImageDetailSummary, NetworkDetail, VolumeDetail } from '../../core/engine.ts'
import { fromDockerLabels } from './labels.ts'
import { count, environmentMap, fields, type Fields, list, moment, required, text, textMap, texts } from './read.ts'

const STATUSES: readonly ContainerStatus[] = [
  'created',
  'running',
  'paused',
  'exited',
  'dead',
  'removing',
  'restarting',
]

/** An element of `GET /containers/json`. */
export function toContainerSummary(payload: unknown, deployment: string): ContainerSummary {
  const it = fields(payload)
  const labels = textMap(it.Labels)
  return {
    id: required(it.Id, "a container's id"),
    // Links of old give a container further names, `/other/alias`.
    name: (texts(it.Names).find((name) => name.lastIndexOf('/') === 0) ?? '').slice(1),
    image: text(it.Image),
    imageId: text(it.ImageID),
    status: toStatus(it.State),
    created: count(it.Created) * 1000,
    labels,
    own: fromDockerLabels(labels, 'container', deployment),
    networks: toNetworks(fields(it.NetworkSettings).Networks, {}),
  }
}

/** `GET /containers/{id}/json`. */
export function toContainerDetail(payload: unknown, deployment: string): ContainerDetail {
  const it = fields(payload)
  const state = fields(it.State)
  const config = fields(it.Config)
  const host = fields(it.HostConfig)
  const labels = textMap(config.Labels)
  return {
    id: required(it.Id, "a container's id"),
    name: text(it.Name).replace(/^\//, ''),
    image: text(config.Image),
    imageId: text(it.Image),
    status: toStatus(state.Status),
    created: moment(it.Created),
    labels,
    own: fromDockerLabels(labels, 'container', deployment),
    // Below API 1.44 the one MAC address of a container is kept beside its networks.
    networks: toNetworks(fields(it.NetworkSettings).Networks, { [text(host.NetworkMode)]: text(config.MacAddress) }),
    pid: count(state.Pid),
    exitCode: count(state.ExitCode),
    startedAt: moment(state.StartedAt),
    finishedAt: moment(state.FinishedAt),
    error: text(state.Error),
    oomKilled: state.OOMKilled === true,
    hostname: text(config.Hostname),
    tty: config.Tty === true,
    stopSignal: text(config.StopSignal),
    workdir: text(config.WorkingDir),
    command: texts(config.Cmd),
    entrypoint: texts(config.Entrypoint),
    environment: environmentMap(config.Env),
    privileged: host.Privileged === true,
    binds: texts(host.Binds),
    mounts: list(it.Mounts).map(toMount),
    hostNamespaces: hostNamespacesOf(host),
    hostDevices: [
      ...list(host.Devices).map((device) => text(fields(device).PathOnHost)),
      ...texts(host.DeviceCgroupRules),
    ],
    addedCapabilities: texts(host.CapAdd),
  }
}

function toStatus(value: unknown): ContainerStatus {
  return STATUSES.find((status) => status === value) ?? 'dead'
}

function toNetworks(payload: unknown, macs: Readonly<Record<string, string>>): ContainerSummary['networks'] {
  const networks: ContainerSummary['networks'] = {}
  for (const [name, value] of Object.entries(fields(payload))) {
    const it = fields(value)
    networks[name] = {
      // A container that does not run has no address yet, but the one it was made with.
      address: text(it.IPAddress) || text(fields(it.IPAMConfig).IPv4Address),
      mac: text(it.MacAddress) || (macs[name] ?? ''),
      prefix: count(it.IPPrefixLen),
      gateway: text(it.Gateway),
      ipv6: text(it.GlobalIPv6Address),
      prefix6: count(it.GlobalIPv6PrefixLen),
    }
  }
  return networks
}

function toMount(payload: unknown): ContainerDetail['mounts'][number] {
  const it = fields(payload)
  return {
    type: text(it.Type),
    volume: text(it.Name),
    source: text(it.Source),
    path: text(it.Destination),
    readonly: it.RW === false,
  }
}

/** Namespaces shared with the host. That of control groups is left out: on cgroup v1 it is the engine's default. */
function hostNamespacesOf(host: Fields): string[] {
  const modes = {
    network: host.NetworkMode,
    pid: host.PidMode,
    ipc: host.IpcMode,
    uts: host.UTSMode,
    user: host.UsernsMode,
  }
  return Object.entries(modes).flatMap(([name, mode]) => (mode === 'host' ? [name] : []))
}

/** An element of `GET /images/json?all=true`. */
export function toImageSummary(payload: unknown, deployment: string): ImageDetailSummary {
  const it = fields(payload)
  const labels = textMap(it.Labels)
  return {
    id: required(it.Id, "an image's id"),
    tags: realNames(it.RepoTags),
    labels,
    own: fromDockerLabels(labels, 'image', deployment),
    inherited: fromDockerLabels(labels, 'container', deployment),
    size: count(it.Size),
    created: count(it.Created) * 1000,
    parent: text(it.ParentId),
  }
}

/** `GET /images/{name}/json`. */
export function toImageDetail(payload: unknown, deployment: string): ImageDetail {
  const it = fields(payload)
  const config = fields(it.Config)
  const labels = textMap(config.Labels)
  return {
    id: required(it.Id, "an image's id"),
    tags: realNames(it.RepoTags),
    digests: realNames(it.RepoDigests),
    created: moment(it.Created),
    size: count(it.Size),
    architecture: text(it.Architecture),
    layers: list(fields(it.RootFS).Layers).length,
    labels,
    own: fromDockerLabels(labels, 'image', deployment),
    command: texts(config.Cmd),
    entrypoint: texts(config.Entrypoint),
    environment: environmentMap(config.Env),
    user: text(config.User),
    workdir: text(config.WorkingDir),
    stopSignal: text(config.StopSignal),
    volumes: Object.keys(fields(config.Volumes)),
    parent: text(it.Parent),
  }
}

/** Older engines name what has no name `<none>:<none>`. */
function realNames(value: unknown): string[] {
  return texts(value).filter((name) => !name.startsWith('<none>'))
}

/** `GET /volumes/{name}` and an element of `GET /volumes`. */
export function toVolumeDetail(payload: unknown, deployment: string): VolumeDetail {
  const it = fields(payload)
  const labels = textMap(it.Labels)
  return {
    name: required(it.Name, "a volume's name"),
    labels,
    own: fromDockerLabels(labels, 'volume', deployment),
    created: moment(it.CreatedAt),
  }
}

/** The option by which a bridge network names its interface on the host. */
export const BRIDGE_NAME = 'com.docker.network.bridge.name'

/** `GET /networks/{id}` and an element of `GET /networks` (which says nothing of containers). */
export function toNetworkDetail(payload: unknown, deployment: string): NetworkDetail {
  const it = fields(payload)
  const id = required(it.Id, "a network's id")
  const driver = text(it.Driver)
  const ranges = list(fields(it.IPAM).Config).map(fields)
  const range = ranges.find((one) => !text(one.Subnet).includes(':')) ?? {}
  return {
    id,
    name: text(it.Name),
    driver,
    // The engine's rule for a bridge that was given no name.
    bridge: textMap(it.Options)[BRIDGE_NAME] ?? (driver === 'bridge' ? `br-${id.slice(0, 12)}` : ''),
    subnet: text(range.Subnet),
    gateway: text(range.Gateway),
    own: fromDockerLabels(textMap(it.Labels), 'network', deployment),
    containers: Object.keys(fields(it.Containers)),
  }
}

/** `GET /info`. */
export function toEngineInfo(payload: unknown, api: number): EngineInfo {
  const it = fields(payload)
  return {
    version: text(it.ServerVersion),
    apiVersion: `1.${api}`,
    name: text(it.Name),
    kernel: text(it.KernelVersion),
    os: text(it.OperatingSystem),
    architecture: text(it.Architecture),
    storageDriver: text(it.Driver),
    cgroupVersion: text(it.CgroupVersion),
    cgroupDriver: text(it.CgroupDriver),
    cpus: count(it.NCPU),
    memoryBytes: count(it.MemTotal),
    securityOptions: texts(it.SecurityOptions),
    containersRunning: count(it.ContainersRunning),
    containers: count(it.Containers),
    images: count(it.Images),
    rootDir: text(it.DockerRootDir),
    runtimes: Object.keys(fields(it.Runtimes)),
  }
}
