/** Devices of instances and profiles: what Docker Engine can do of LXD's, decoded once. */
import type { Config, Devices } from '../contract/common.ts'
import type { PublishedPort } from './container.ts'
import { badRequest, Failure } from './failure.ts'
import { isTrue } from './config-values.ts'
import { checkOptions, type DeviceType } from './device-options.ts'
import { effectiveDevices } from './expand.ts'
import { readGpu, readUnix, type GpuDevice, type UnixDevice } from './host-devices.ts'
import { toPorts } from './proxy-device.ts'

/** A device by what it does. */
export type Device =
  | { type: 'none' }
  | { type: 'root'; pool: string }
  | { type: 'volume'; pool: string; volume: string; path: string; readonly: boolean }
  | { type: 'host'; source: string; path: string; readonly: boolean; required: boolean }
  /** `address` and `mac` are '' where the server chooses. */
  | { type: 'nic'; network: string; address: string; mac: string }
  | { type: 'proxy'; ports: PublishedPort[] }
  | UnixDevice
  | GpuDevice

/** The one storage pool there is: the engine's volumes. */
export const POOL = 'default'

// What LXD knows and Docker Engine cannot give without host privileges.
const IMPOSSIBLE = ['infiniband', 'pci', 'tpm', 'unix-hotplug', 'usb']

/** One device → what it does. Throws bad-request: `Device validation failed for "eth0": …`. */
export function parseDevice(name: string, device: Config): Device {
  try {
    return readDevice(name, device)
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown
    throw new Failure(thrown.code, `Device validation failed for "${name}": ${thrown.message}`, { cause: thrown })
  }
}

function readDevice(name: string, device: Config): Device {
  if (!/^[a-zA-Z0-9][-a-zA-Z0-9_.]{0,62}$/.test(name))
    throw badRequest('Device names may contain 1-63 alphanumeric, hyphen, underscore and dot characters')
  const type = device['type'] ?? ''
  switch (type) {
    case 'none':
      checkOptions(type, device)
      return { type }
    case 'disk':
      return readDisk(checked(type, device))
    case 'nic':
      return readNic(checked(type, device))
    case 'proxy':
      return { type: 'proxy', ports: toPorts(checked(type, device)) }
    case 'unix-block':
    case 'unix-char':
      return readUnix(type, checked(type, device))
    case 'gpu':
      return readGpu(checked(type, device))
    default:
      if (IMPOSSIBLE.includes(type)) throw badRequest(`Devices of type "${type}" are not possible on Docker Engine`)
      throw badRequest(type === '' ? 'Missing device type' : `Invalid device type "${type}"`)
  }
}

function checked(type: DeviceType, device: Config): Config {
  checkOptions(type, device)
  return device
}

function readDisk(device: Config): Device {
  const { path = '', source = '', pool = '' } = device
  if (path === '') throw badRequest('Disk entry is missing the required "path" property')
  if (path === '/') return readRoot(source, pool)
  checkVolumePath(path)
  if (source === '') throw badRequest('Disk entry is missing the required "source" property')
  const readonly = isTrue(device['readonly'])
  // `optional` is what older clients write.
  const required = (device['required'] ?? '') === '' ? !isTrue(device['optional']) : isTrue(device['required'])
  if (pool === '') return { type: 'host', source: checkedSource(source), path, readonly, required }
  if (source.startsWith('/')) throw badRequest('Storage volumes cannot be specified as absolute paths')
  if (source.includes('/')) throw badRequest('Storage volume names cannot contain "/"')
  checkPool(pool)
  return { type: 'volume', pool, volume: source, path, readonly }
}

function checkedSource(source: string): string {
  if (!source.startsWith('/'))
    throw badRequest('The source of a disk without a pool must be an absolute path of the host')
  if (source.includes(':') || source.includes('\0') || source.split('/').includes('..'))
    throw badRequest(`Invalid source path "${source}"`)
  return source
}

function readRoot(source: string, pool: string): Device {
  if (source !== '') throw badRequest('Root disk entry may not have a "source" property set')
  if (pool === '') throw badRequest('Root disk entry must have a "pool" property set')
  checkPool(pool)
  return { type: 'root', pool }
}

function checkPool(pool: string): void {
  if (pool !== POOL) throw badRequest(`The "${pool}" storage pool doesn't exist`)
}

/** Where the engine itself or the kernel mounts something, a mount of ours would break the container. */
const GUARDED = /^\/(proc|sys|dev)(\/|$)/

/** Where something of the instance's own may be mounted in it. Throws bad-request. */
export function checkVolumePath(path: string): void {
  const parts = path.split('/')
  if (!path.startsWith('/') || path.includes(':') || path.includes('\0') || parts.includes('..') || parts.includes('.'))
    throw badRequest(`Invalid path "${path}": it must be absolute and plain`)
  if (GUARDED.test(path)) throw badRequest(`Invalid path "${path}": nothing can be mounted there`)
}

const NOT_WITH_NETWORK = ['nictype', 'parent', 'mtu', 'maas.subnet.ipv4', 'maas.subnet.ipv6']

function readNic(device: Config): Device {
  const { network = '', nictype = '', parent = '' } = device
  const address = device['ipv4.address'] ?? ''
  const mac = (device['hwaddr'] ?? '').toLowerCase()
  if (network !== '') {
    const other = NOT_WITH_NETWORK.find((option) => (device[option] ?? '') !== '')
    if (other !== undefined) throw badRequest(`Cannot use "${other}" property in conjunction with "network" property`)
    return { type: 'nic', network, address, mac }
  }
  if (nictype !== 'bridged')
    throw badRequest('Only NICs with "network", or with nictype "bridged", are possible on Docker Engine')
  if (parent === '') throw badRequest('Missing required option "parent"')
  return { type: 'nic', network: parent, address, mac }
}

/** Whether one of the devices (expanded, without those of type `none`) mounts this custom volume. */
export function usesVolume(user: { devices: Devices }, name: string): boolean {
  return volumeNames(user).includes(name)
}

/** The custom volumes that devices (expanded, without those of type `none`) mount, each once. */
export function volumeNames({ devices }: { devices: Devices }): string[] {
  const names = Object.values(devices).flatMap(({ type, pool = '', source = '' }) =>
    type === 'disk' && pool !== '' && source !== '' ? [source] : [],
  )
  return [...new Set(names)]
}

/** Checks every device by itself; for profiles and an instance's own. Throws bad-request. */
export function checkDevices(devices: Devices): void {
  for (const [name, device] of Object.entries(devices)) parseDevice(name, device)
}

/** Checks what an instance (named, where it has a name, for LXD's text) comes to with its profiles. Throws bad-request. */
export function checkExpandedDevices(expanded: Devices, instance?: string): void {
  const named = Object.entries(effectiveDevices(expanded)).map(([name, device]) => ({
    name,
    ...parseDevice(name, device),
  }))
  if (named.filter(({ type }) => type === 'root').length > 1)
    throw badRequest(`${NO_SINGLE_ROOT} More than one root device found`)
  const paths = named.flatMap((device) => (device.type === 'volume' || device.type === 'host' ? [device.path] : []))
  const path = firstDouble(paths)
  if (path !== undefined) throw badRequest(`Invalid devices: More than one disk device uses the path "${path}"`)
  const node = firstDouble(named.flatMap((device) => (isUnix(device) ? [device.path] : [])))
  if (node !== undefined) throw badRequest(`Invalid devices: More than one unix device uses the path "${node}"`)
  const nics = named.filter((device) => device.type === 'nic')
  const second = nics.find((nic, at) => nics.findIndex((other) => other.network === nic.network) !== at)
  // The engine connects a container to a network once; LXD refuses the second NIC for the sake of the name.
  if (second !== undefined)
    throw badRequest(
      `Failed add validation for device "${second.name}": Instance DNS name ${instance === undefined ? '' : `"${instance}" `}already used on network`,
    )
  const ports = named.flatMap((device) => (device.type === 'proxy' ? device.ports : []))
  const port = firstDouble(ports.map((one) => `${one.protocol}:${one.listen}:${one.hostPort}`))
  if (port !== undefined) throw badRequest(`Invalid devices: More than one proxy device listens on ${port}`)
}

/** Whether it is a device node of the host. */
export function isUnix<T extends Device>(device: T): device is T & UnixDevice {
  return device.type === 'unix-char' || device.type === 'unix-block'
}

const NO_SINGLE_ROOT = 'Invalid devices: Failed detecting root disk device:'

/** Whether expanded devices have a root disk. */
export function hasRoot(expanded: Devices): boolean {
  return Object.entries(effectiveDevices(expanded)).some(([name, device]) => parseDevice(name, device).type === 'root')
}

/** What LXD asks of an instance that is to be made; one that is there may lose the device. Throws bad-request. */
export function requireRoot(expanded: Devices, prefix = ''): void {
  if (!hasRoot(expanded)) throw badRequest(`${prefix}${NO_SINGLE_ROOT} No root device could be found`)
}

/** The size that the root disk of expanded devices asks for; '' for none. */
export function rootSize(expanded: Devices): string {
  const root = Object.values(effectiveDevices(expanded)).find(({ type, path }) => type === 'disk' && path === '/')
  return root?.['size'] ?? ''
}

function firstDouble(values: string[]): string | undefined {
  return values.find((value, at) => values.indexOf(value) !== at)
}

/** Whether the way from one set of expanded devices to another needs a new container. */
export function devicesEffect(before: Devices, after: Devices): 'none' | 'recreate' {
  return JSON.stringify(meaning(before)) === JSON.stringify(meaning(after)) ? 'none' : 'recreate'
}

/** Only what a container is made by: the size of a root disk or a NIC's `limits.*` change nothing. */
function meaning(devices: Devices): [string, Device][] {
  return Object.entries(effectiveDevices(devices))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, device]) => [name, parseDevice(name, device)])
}
