/** Checks of config and device values: each gives LXD's text of what is wrong, or undefined. Empty values are checked nowhere: they unset. */
import { Failure } from './failure.ts'
import { parseBytes, parsePercent } from './units.ts'

export type ValueCheck = (value: string) => string | undefined

export const anything: ValueCheck = () => undefined

/** What is passed to a process: a kernel ends text at NUL. */
export const processText: ValueCheck = (value) => (value.includes('\0') ? 'Text with a NUL byte' : undefined)

const TRUE = ['true', '1', 'yes', 'on']
const FALSE = ['false', '0', 'no', 'off']

/** LXD's truth: true, 1, yes, on in any case. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && TRUE.includes(value.toLowerCase())
}

export const boolean: ValueCheck = (value) =>
  [...TRUE, ...FALSE].includes(value.toLowerCase()) ? undefined : `Invalid value for a boolean "${value}"`

export const integer: ValueCheck = (value) =>
  /^-?[0-9]{1,18}$/.test(value) ? undefined : `Invalid value for an integer "${value}"`

export const priority: ValueCheck = (value) =>
  /^([0-9]|10)$/.test(value) ? undefined : `Invalid value for a limit "${value}". Must be between 0 and 10`

export const uuid: ValueCheck = (value) =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? undefined : `Invalid UUID`

export const oneOf =
  (...words: string[]): ValueCheck =>
  (value) =>
    words.includes(value) ? undefined : `Invalid value "${value}" (not one of [${words.join(' ')}])`

export const size: ValueCheck = (value) => faultOf(() => parseBytes(value))

/** `limits.cpu`: how many, or which (`0-1,3`). */
export const cpuSet: ValueCheck = (value) => {
  if (!/^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$/.test(value) || value === '0')
    return 'Invalid CPU limit syntax'
  const backwards = value.split(',').some((range) => {
    const [first, last] = range.split('-')
    return last !== undefined && Number(last) < Number(first)
  })
  return backwards ? 'Invalid CPU limit syntax' : undefined
}

/** `limits.cpu.allowance`: `50%`, or `25ms/100ms`. */
export const cpuAllowance: ValueCheck = (value) => {
  const percent = /^([0-9]{1,4})%$/.exec(value)
  if (percent !== null) return Number(percent[1]) > 0 ? undefined : `Invalid allowance: ${value}`
  const [, slice, period] = /^([0-9]{1,6})ms\/([0-9]{1,6})ms$/.exec(value) ?? []
  return Number(slice) > 0 && Number(period) > 0 ? undefined : `Invalid allowance: ${value}`
}

/** The least memory the engine runs a container with, in bytes. */
export const LEAST_MEMORY = 6 * 2 ** 20

export const memory: ValueCheck = (value) =>
  faultOf(() => {
    const percent = parsePercent(value)
    if (percent === 0) return "Memory limit can't be 0%"
    if (percent !== undefined) return percent > 100 ? `Invalid value: ${value}` : undefined
    const bytes = parseBytes(value)
    if (bytes === 0) return "Memory limit can't be 0"
    return bytes < LEAST_MEMORY ? `Memory limit must be at least ${LEAST_MEMORY} bytes (6MiB)` : undefined
  })

/** `limits.memory.swap`: whether at all, or how much. */
export const swap: ValueCheck = (value) => (boolean(value) === undefined ? undefined : size(value))

/** `snapshots.expiry`: `1M 2H 3d 4w 5m 6y`. */
export const expiry: ValueCheck = (value) =>
  /^[0-9]{1,6}[MHdwmy]( +[0-9]{1,6}[MHdwmy])*$/.test(value.trim()) ? undefined : 'Invalid expiry expression'

export const hwaddr: ValueCheck = (value) => {
  const mac = /^([0-9a-f]{2}):([0-9a-f]{2}:){4}[0-9a-f]{2}$/i.exec(value)
  if (mac === null) return 'Invalid MAC address, must be 6 bytes of hex separated by colons'
  return Number.parseInt(mac[1] ?? '', 16) % 2 === 1 ? 'Invalid MAC address, must be a unicast address' : undefined
}

function faultOf(read: () => unknown): string | undefined {
  try {
    const said = read()
    return typeof said === 'string' ? said : undefined
  } catch (thrown) {
    if (thrown instanceof Failure) return thrown.message
    throw thrown
  }
}
