/** Devices of the host that an instance is given: LXD's unix-char, unix-block and gpu, as far as Docker Engine has them. */
import type { Config } from '../contract/common.ts'
import { isTrue, type ValueCheck } from './config-values.ts'
import type { GpuRequest, HostDevice } from './container.ts'
import { badRequest } from './failure.ts'

/** A node of the host under a path of the instance's. The engine gives it the owner and mode that it has on the host. */
export type UnixDevice = { type: 'unix-char' | 'unix-block' } & Omit<HostDevice, 'device' | 'kind'>

export type GpuDevice = { type: 'gpu' } & Omit<GpuRequest, 'device'>

/** What it is called on the host: by its numbers where it has been asked for by them. */
export function nodeName({ source, numbers }: Pick<HostDevice, 'source' | 'numbers'>): string {
  return numbers === undefined ? source : `${numbers.major}:${numbers.minor}`
}

/** What the engine itself puts into every container's /dev. */
const TAKEN =
  /^\/dev\/(console|core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero)(\/|$)/

/** Throws bad-request with LXD's words, or with what Docker Engine cannot do. Its options are checked already. */
export function readUnix(type: UnixDevice['type'], device: Config): UnixDevice {
  const source = device['source'] || device['path'] || ''
  const path = device['path'] || source
  if (source === '') throw badRequest('Unix device entry is missing the required "source" or "path" property')
  if (!isPlain(source)) throw badRequest(`Invalid source path "${source}": Path needs to be in "/dev"`)
  // A node elsewhere would lie among the instance's files, and stay in them when the device has gone.
  if (!isPlain(path)) throw badRequest(`Invalid path "${path}": devices are below "/dev" on Docker Engine`)
  if (TAKEN.test(path)) throw badRequest(`Invalid path "${path}": Docker Engine has a device of its own there`)
  const required = (device['required'] ?? '') === '' || isTrue(device['required'])
  return { type, source, path, permissions: permissionsOf(device['mode'] ?? ''), required, ...numbersOf(device) }
}

/** With numbers the source does not count, as in LXD. */
function numbersOf({ major = '', minor = '' }: Config): Pick<UnixDevice, 'numbers'> {
  if (major === '' && minor === '') return {}
  if (major === '' || minor === '') throw badRequest('Both "major" and "minor" must be supplied, or neither of them')
  return { numbers: { major: Number(major), minor: Number(minor) } }
}

function isPlain(path: string): boolean {
  const parts = path.split('/').slice(1)
  return path.startsWith('/dev/') && !path.includes('\0') && parts.every((part) => !['', '.', '..'].includes(part))
}

/** In the letters of the kernel's device control group; LXD's default is 0660. */
function permissionsOf(mode: string): string {
  const bits = Number.parseInt(mode === '' ? '660' : mode, 8)
  return `${bits & 0o444 ? 'r' : ''}${bits & 0o222 ? 'w' : ''}m`
}

/** LXD's octal mode. Which of reading and writing it allows to anybody is what the engine is told. */
export const mode: ValueCheck = (value) => {
  if (!/^0?[0-7]{3}$/.test(value)) return 'Invalid value for an octal file mode'
  return /^0?0*$/.test(value) ? 'A device that nobody may read or write is of no use' : undefined
}

/** Twelve bits of the kernel's are the major number, twenty the minor one. */
export const deviceNumber: ValueCheck = (value) =>
  /^[0-9]{1,7}$/.test(value) && Number(value) < 2 ** 20 ? undefined : 'Invalid value for a UNIX device number'

/** `id` '' is every GPU that there is. */
export function readGpu(device: Config): GpuDevice {
  return { type: 'gpu', id: device['id'] ?? '' }
}

/** Why an instance cannot have one. */
export const NO_GPU =
  'Failed to detect requested GPU device: Docker Engine has no nvidia runtime, and its host no /dev/dri'
