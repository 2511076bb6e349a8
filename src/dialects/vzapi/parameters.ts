/** Parameters of `prlctl set` as the changes of an instance that they ask for. */
import type { InstancePatch } from '../../contract/instance.ts'
import type { Config, Devices } from '../../contract/common.ts'
import { foreignRange, gatewayOf, inSubnet, isAddress } from '../../core/addresses.ts'
import { badRequest } from '../../core/failure.ts'

export type Parameters = Record<string, string>

/** Where they are kept. */
export const PARAMETERS = 'user.vzapi.parameters'
const NOT_APPLIED = 'user.vzapi.not_applied'
export const TEMPLATE = 'user.vzapi.ostemplate'

/** Of one parameter; a bad-request says what is wrong with its value. */
const CONFIG: Record<string, (value: string, all: Parameters) => Record<string, string>> = {
  cpus: (value) => {
    if (!/^[1-9][0-9]{0,3}$/.test(value)) throw wrong('cpus', 'a number from 1')
    return { 'limits.cpu': value }
  },
  memsize: (value, { memsize_units: units = 'M' }) => {
    if (!/^[1-9][0-9]{0,11}$/.test(value)) throw wrong('memsize', 'a number from 1')
    if (!/^[KMGT]$/i.test(units)) throw wrong('memsize_units', 'K, M, G or T')
    return { 'limits.memory': `${value}${units.toUpperCase()}iB` }
  },
  hostname: (value) => ({ 'raw.docker.hostname': value }),
  nameserver: (value) => {
    const servers = value.split(/[\s,]+/).filter((one) => one !== '')
    if (servers.length === 0) throw wrong('nameserver', 'addresses separated by commas')
    return { 'raw.docker.nameservers': servers.join(',') }
  },
}

function wrong(name: string, wanted: string) {
  return badRequest(`parameter ${name} is wrong: ${wanted}`)
}

/** An instance's first NIC, as far as its address goes. */
export interface Link {
  device: string
  properties: Config
  /** In CIDR form. */
  subnet: string
}

/** What is not named keeps its effect, as in the original. `link`: undefined where it is on no network. */
export function toPatch(parameters: Parameters, link: Link | undefined): InstancePatch {
  const entries = Object.entries(parameters)
  const configs = entries.map(([name, value]) => (isKnown(name) ? CONFIG[name]?.(value, parameters) : undefined))
  const notApplied = entries.filter(([name, value]) => !hasEffect(name, value, { parameters, link }))
  const kept = {
    [PARAMETERS]: JSON.stringify(parameters),
    [NOT_APPLIED]: JSON.stringify(notApplied.map(([name]) => name)),
  }
  const { description, ipadd = '' } = parameters
  return {
    config: Object.assign({}, ...configs, kept),
    ...(description !== undefined && { description }),
    ...(link !== undefined && isGivable(ipadd, link) && { devices: withAddress(ipadd, link) }),
  }
}

function isKnown(name: string): boolean {
  return Object.hasOwn(CONFIG, name)
}

/** A disk has no size here, and an address must be one of the network's. */
function hasEffect(
  name: string,
  value: string,
  { parameters, link }: { parameters: Parameters; link: Link | undefined },
): boolean {
  if (name === 'ipadd') return checkedAddress(value) !== '' && link !== undefined && isGivable(value, link)
  if (name === 'memsize_units') return 'memsize' in parameters
  return isKnown(name) || name === 'description'
}

function checkedAddress(value: string): string {
  const [, address = ''] = /^([^/]+)(?:\/(?:[12]?\d|3[0-2]))?$/.exec(value) ?? []
  if (!isAddress(address)) throw wrong('ipadd', 'an IPv4 address')
  return address
}

/** Of the network's range, and not of the part that is left to containers made by others. */
function isGivable(value: string, { subnet }: Link): boolean {
  const [address = ''] = value.split('/')
  const [first] = subnet.split('/')
  if (!inSubnet(address, subnet) || inSubnet(address, foreignRange(subnet))) return false
  return address !== first && address !== gatewayOf(subnet)
}

function withAddress(value: string, { device, properties }: Link): Devices {
  return { [device]: { ...properties, 'ipv4.address': checkedAddress(value) } }
}

/** Parameters of the last change that are kept but have no effect. */
export function notAppliedOf(config: Config): string[] {
  const names = readJson(config[NOT_APPLIED])
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}

/** Anyone may write `user.` keys: what is no JSON there is nothing. */
export function readJson(text = ''): unknown {
  // Most have none, and what is thrown and caught costs much in a list.
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
