/** A container's spec as the body of `POST /containers/create`. Written out whole: nothing comes from a user's input. */
import type { ContainerSpec, Limits, Mount, Nic } from '../../core/container.ts'
import type { EngineInfo } from '../../core/engine.ts'
import type { GivenDevices } from './host-devices.ts'
import { toDockerLabels } from './labels.ts'
import type { Fields } from './read.ts'
import { bootExtras, type BootExtras } from './system-boot.ts'

/** The length of the period that CPU quotas are counted in, in microseconds. */
export const CPU_PERIOD = 100_000

/** From here on all nics of a container are given at its creation, each with its MAC address. */
const API_WITH_NIC_MACS = 44

/** The body, and the nics that can only be connected afterwards. */
export interface ContainerBody {
  body: Fields
  later: Nic[]
}

/** What the engine is, and what of its host's devices the container is given. */
export interface Found {
  info: EngineInfo
  given: GivenDevices
}

/** What to create for a spec on an engine of this API version. */
export function makeContainerBody(spec: ContainerSpec, engine: { api: number } & Found): ContainerBody {
  const knowsMacs = engine.api >= API_WITH_NIC_MACS
  const first = spec.nics[0]
  const now = knowsMacs ? spec.nics : spec.nics.slice(0, 1)
  const isSystem = spec.boot !== 'application'
  return {
    later: spec.nics.slice(now.length),
    body: {
      Image: spec.image,
      Hostname: spec.hostname,
      Labels: toDockerLabels(spec.labels),
      Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
      Tty: true,
      OpenStdin: true,
      StopSignal: spec.stopSignal,
      ...commandOf(spec, isSystem),
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
      ...(knowsMacs || first === undefined || first.mac === '' ? {} : { MacAddress: first.mac }),
      ExposedPorts: Object.fromEntries(spec.ports.map((port) => [`${port.containerPort}/${port.protocol}`, {}])),
      HostConfig: { ...makeHostConfig(spec, engine.info), ...engine.given },
      NetworkingConfig: {
        EndpointsConfig: Object.fromEntries(now.map((nic) => [nic.network, makeEndpoint(nic, knowsMacs)])),
      },
    },
  }
}

/** An init system has to be pid 1 itself: no entrypoint of the image in front of it. */
function commandOf(spec: ContainerSpec, isSystem: boolean): Fields {
  const command = spec.command ?? (isSystem ? ['/sbin/init'] : undefined)
  const entrypoint = spec.entrypoint ?? (isSystem ? [] : undefined)
  return {
    ...(command === undefined ? {} : { Cmd: command }),
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
  }
}

function makeHostConfig(spec: ContainerSpec, info: EngineInfo): Fields {
  const extras = withNesting(spec, bootExtras(spec, info), info)
  const taken = new Set(spec.mounts.map((mount) => mount.path))
  return {
    // As in LXD the server starts instances itself; and every policy would also restart after a poweroff.
    RestartPolicy: { Name: 'no' },
    Init: spec.boot === 'application',
    NetworkMode: spec.nics[0]?.network ?? 'none',
    ...(spec.searchDomain === '' ? {} : { DnsSearch: [spec.searchDomain] }),
    ...(spec.nameservers.length === 0 ? {} : { Dns: spec.nameservers }),
    // With the engine's 0 a bare name never gets the search domain and goes to the outside resolver.
    DnsOptions: ['ndots:1'],
    LogConfig: { Type: 'json-file', Config: { 'max-size': '8m', 'max-file': '2' } },
    PortBindings: portBindings(spec),
    Mounts: spec.mounts.map(makeMount),
    Binds: extras.binds,
    Tmpfs: Object.fromEntries(Object.entries(extras.tmpfs).filter(([path]) => !taken.has(path))),
    CapAdd: extras.capAdd,
    SecurityOpt: extras.securityOpt,
    ...(extras.cgroupnsMode === undefined ? {} : { CgroupnsMode: extras.cgroupnsMode }),
    ...(extras.cgroupParent === undefined ? {} : { CgroupParent: extras.cgroupParent }),
    Privileged: spec.privileged,
    ...makeLimits(spec.limits),
  }
}

/** Rights with which an engine runs inside. They are as good as the host's root; the policy of roles allows them. */
function withNesting(spec: ContainerSpec, extras: BootExtras, info: EngineInfo): BootExtras {
  if (!spec.nesting) return extras
  const isOldCgroup = info.cgroupVersion !== '2' && spec.boot !== 'systemd'
  return {
    ...extras,
    capAdd: [...extras.capAdd, 'SYS_ADMIN', 'NET_ADMIN'],
    securityOpt: [...extras.securityOpt, 'seccomp=unconfined', 'apparmor=unconfined'],
    cgroupnsMode: isOldCgroup ? 'private' : extras.cgroupnsMode,
    tmpfs: isOldCgroup ? { ...extras.tmpfs, '/sys/fs/cgroup': 'rw,nosuid,nodev,noexec' } : extras.tmpfs,
  }
}

/** A nic as an endpoint's settings, for the creation and for `connect`. */
export function makeEndpoint(nic: Nic, withMac: boolean): Fields {
  return {
    ...(nic.address === '' ? {} : { IPAMConfig: { IPv4Address: nic.address } }),
    ...(withMac && nic.mac !== '' ? { MacAddress: nic.mac } : {}),
    Aliases: nic.aliases,
  }
}

function makeMount(mount: Mount): Fields {
  const common = { Type: mount.type, Target: mount.path, ReadOnly: mount.readonly }
  if (mount.type === 'bind') return { ...common, Source: mount.source }
  // The engine would fill whatever is empty, also what was emptied.
  return { ...common, Source: mount.volume, ...(mount.populate ? {} : { VolumeOptions: { NoCopy: true } }) }
}

function portBindings(spec: ContainerSpec): Fields {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {}
  for (const port of spec.ports) {
    const key = `${port.containerPort}/${port.protocol}`
    bindings[key] = [...(bindings[key] ?? []), { HostIp: port.listen, HostPort: String(port.hostPort) }]
  }
  return bindings
}

function makeLimits(limits: Limits): Fields {
  const hasQuota = limits.cpuQuota > 0
  return {
    // Never NanoCpus: it can neither be unset nor go together with a quota.
    ...(hasQuota ? { CpuPeriod: CPU_PERIOD, CpuQuota: limits.cpuQuota } : {}),
    CpuShares: limits.cpuShares,
    CpusetCpus: limits.cpuSet,
    ...(limits.memoryBytes > 0 ? { Memory: limits.memoryBytes, MemorySwap: memoryAndSwap(limits) } : {}),
    ...(limits.processes > 0 ? { PidsLimit: limits.processes } : {}),
  }
}

/** The engine counts memory and swap together; -1 is no bound. */
export function memoryAndSwap(limits: Limits): number {
  return limits.swapBytes < 0 ? -1 : limits.memoryBytes + limits.swapBytes
}
