/** From an instance, as its record and profiles say it, to the container that is made for it. */
import type { Config, Devices } from '../contract/common.ts'
import type { Boot, InstanceRecord, LeaseRecord, NetworkRecord, VolumeRecord } from '../contract/records.ts'
import { macOf } from './addresses.ts'
import { isTrue } from './config-values.ts'
import { isUnix, parseDevice, type Device } from './devices.ts'
import type { ContainerSpec, HostDevice, Mount, Nic, OwnLabels } from './container.ts'
import type { ImageDetail } from './engine.ts'
import { effectiveDevices, prefixed } from './expand.ts'
import { badRequest, internal } from './failure.ts'
import type { UnixDevice } from './host-devices.ts'
import { limitsOf, type Host } from './limits.ts'
import { searchDomainOf } from './names.ts'
import { splitWords } from './words.ts'

export interface SpecSources {
  instance: InstanceRecord
  /** Expanded, as are the devices. */
  config: Config
  devices: Devices
  /** What the container is made of; undefined: the record's `engineImage`, of which nothing more is known. */
  image: ImageDetail | undefined
  networks: NetworkRecord[]
  /** The instance's own. */
  leases: LeaseRecord[]
  volumes: VolumeRecord[]
  host: Host
  labels: OwnLabels
  /** The engine's name for it, which may be a temporary one. */
  name: string
  /** Paths at which volumes are new: there they get what the image has, as Docker fills them. */
  fresh: readonly string[]
}

/**
 * Everything the engine must know. Bad-request for what the config or devices ask in vain (an unknown network or
 * volume, a processor that is not there), internal for a NIC without a lease.
 */
export function toContainerSpec(sources: SpecSources): ContainerSpec {
  const { instance, config, image } = sources
  const devices = Object.entries(effectiveDevices(sources.devices))
    .map(([name, device]) => ({ name, device: parseDevice(name, device) }))
    .toSorted((a, b) => compareNames(a.name, b.name))
  return {
    name: sources.name,
    image: image?.id ?? instance.engineImage,
    hostname: given(config, 'raw.docker.hostname') ?? instance.name,
    nameservers: given(config, 'raw.docker.nameservers')?.split(',') ?? [],
    searchDomain: searchDomainOf(instance.project),
    labels: sources.labels,
    boot: instance.boot,
    command: wordsOf(config, 'raw.docker.command'),
    entrypoint: wordsOf(config, 'raw.docker.entrypoint'),
    user: given(config, 'raw.docker.user'),
    workdir: given(config, 'raw.docker.workdir'),
    stopSignal: stopSignal(config, instance.boot, image),
    environment: prefixed(config, 'environment.'),
    nics: devices.flatMap(({ name, device }) => (device.type === 'nic' ? [toNic(name, device, sources)] : [])),
    mounts: toMounts(sources, devices),
    ports: devices.flatMap(({ device }) => (device.type === 'proxy' ? device.ports : [])),
    hostDevices: devices.flatMap(({ name, device }) => (isUnix(device) ? [toHostDevice(name, device)] : [])),
    gpus: devices.flatMap(({ name, device }) => (device.type === 'gpu' ? [{ device: name, id: device.id }] : [])),
    limits: limitsOf(config, sources.host),
    privileged: isTrue(config['security.privileged']),
    nesting: isTrue(config['security.nesting']),
  }
}

function given(config: Config, key: string): string | undefined {
  const value = config[key]
  return value === undefined || value === '' ? undefined : value
}

function wordsOf(config: Config, key: string): string[] | undefined {
  const line = given(config, key)
  if (line === undefined) return undefined
  const words = splitWords(line)
  if (words === undefined) throw badRequest(`Invalid value for config key "${key}": Unterminated quote`)
  return words
}

const INIT_SIGNALS: Record<Exclude<Boot, 'application'>, string> = {
  systemd: 'SIGRTMIN+3',
  busybox: 'SIGUSR1',
  init: 'SIGPWR',
}

const SHELL = /^(.*\/)?(sh|bash|ash|zsh|dash)$/

/** How a container is asked to end: what the config says, what its init understands, a shell's hang-up, the image's own, SIGTERM. */
export function stopSignal(
  config: Config,
  boot: Boot,
  image: Pick<ImageDetail, 'entrypoint' | 'command' | 'stopSignal'> | undefined,
): string {
  const explicit = given(config, 'raw.docker.stop-signal')
  if (explicit !== undefined) return signalName(explicit)
  if (boot !== 'application') return INIT_SIGNALS[boot]
  // An interactive shell ignores SIGTERM (engine.md, recipe 12).
  if (isShell(effectiveCommand(config, image))) return 'SIGHUP'
  return image === undefined || image.stopSignal === '' ? 'SIGTERM' : image.stopSignal
}

function signalName(text: string): string {
  return /^([0-9]+|SIG.*)$/.test(text) ? text : `SIG${text}`
}

/** What runs in the end: an entrypoint of the config's replaces the image's command as well. */
function effectiveCommand(config: Config, image: Pick<ImageDetail, 'entrypoint' | 'command'> | undefined): string[] {
  const command = wordsOf(config, 'raw.docker.command')
  const entrypoint = wordsOf(config, 'raw.docker.entrypoint')
  if (entrypoint !== undefined) return [...entrypoint, ...(command ?? [])]
  return [...(image?.entrypoint ?? []), ...(command ?? image?.command ?? [])]
}

/** A shell that reads from its terminal: no arguments but options, and not `-c`, which runs something. */
function isShell([program, ...rest]: string[]): boolean {
  return (
    program !== undefined && SHELL.test(program) && rest.every((word) => /^-[^c]*$/.test(word) || word.startsWith('--'))
  )
}

function toNic(name: string, device: Extract<Device, { type: 'nic' }>, sources: SpecSources): Nic {
  const { instance, config, networks, leases } = sources
  const network = networks.find((known) => known.name === device.network)
  if (network === undefined)
    throw badRequest(`Device validation failed for "${name}": Network "${device.network}" not found`)
  const held = leases.filter(
    (one) => one.network === network.uuid && one.instance === instance.uuid && one.device === name,
  )
  // Until the change of an address has happened both are held.
  const lease = held.find((one) => one.name === device.address) ?? held[0]
  if (lease === undefined) throw internal(`Device "${name}" of instance "${instance.name}" holds no address`)
  const mac = [device.mac, given(config, `volatile.${name}.hwaddr`) ?? ''].find((text) => text !== '')
  return {
    device: name,
    network: network.network,
    address: lease.name,
    mac: mac ?? macOf(lease.name),
    aliases: [instance.name],
  }
}

export function toHostDevice(name: string, { type, ...rest }: UnixDevice): HostDevice {
  return { device: name, kind: type, ...rest }
}

/** The instance's own volumes first; a disk device on the same path takes its place. */
function toMounts({ instance, volumes, fresh }: SpecSources, devices: { name: string; device: Device }[]): Mount[] {
  const mounts = new Map<string, Mount>()
  for (const { path, volume } of instance.volumes)
    mounts.set(path, { type: 'volume', volume, path, readonly: false, populate: fresh.includes(path) })
  for (const { name, device } of devices) {
    if (device.type === 'host') {
      const { source, path, readonly, required } = device
      mounts.set(path, { type: 'bind', device: name, source, path, readonly, required })
    } else if (device.type === 'volume') {
      const { path, readonly } = device
      const volume = engineVolume(device.volume, volumes)
      mounts.set(path, { type: 'volume', volume, path, readonly, populate: fresh.includes(path) })
    }
  }
  // A mount inside another must come after it.
  return [...mounts.values()].toSorted((a, b) => a.path.length - b.path.length || compareNames(a.path, b.path))
}

/** Where an engine inside keeps what it has: its layers cannot lie on those of the engine outside. */
const NESTED_ENGINE = '/var/lib/docker'

/** Paths at which an instance needs a volume of its own, beside those at which it has one or a disk device. */
export function missingVolumes(expanded: { config: Config; devices: Devices }, paths: readonly string[]): string[] {
  if (!isTrue(expanded.config['security.nesting'])) return []
  const disks = Object.values(effectiveDevices(expanded.devices)).filter((device) => device['type'] === 'disk')
  const taken = [...paths, ...disks.map((device) => device['path'])]
  return taken.includes(NESTED_ENGINE) ? [] : [NESTED_ENGINE]
}

function engineVolume(name: string, volumes: VolumeRecord[]): string {
  const volume = volumes.find((known) => known.name === name)
  if (volume === undefined) throw badRequest(`Storage volume "${name}" not found in pool "default"`)
  return volume.volume
}

/** eth2 before eth10: the order of NICs inside is that of their names. */
function compareNames(a: string, b: string): number {
  const [, textA = '', numberA = ''] = /^(.*?)([0-9]*)$/s.exec(a) ?? []
  const [, textB = '', numberB = ''] = /^(.*?)([0-9]*)$/s.exec(b) ?? []
  if (textA !== textB) return textA < textB ? -1 : 1
  return Number(numberA) - Number(numberB)
}
