/** IPv4 subnets, the addresses in them and the MACs that follow from these. */
import { badRequest, conflict } from './failure.ts'

interface Subnet {
  first: number
  last: number
}

/** `10.1.2.3` → its number; undefined when it is no address. */
function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256))
    return undefined
  return parts.reduce((number, part) => number * 256 + Number(part), 0)
}

function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

function readSubnet(cidr: string): Subnet | undefined {
  const [text = '', prefix = '', ...rest] = cidr.split('/')
  const address = parseAddress(text)
  if (address === undefined || rest.length > 0 || !/^[0-9]{1,2}$/.test(prefix) || Number(prefix) > 32) return undefined
  const size = 2 ** (32 - Number(prefix))
  const first = address - (address % size)
  return { first, last: first + size - 1 }
}

function mustRead(cidr: string): Subnet {
  const subnet = readSubnet(cidr)
  if (subnet === undefined) throw badRequest(`Invalid IPv4 subnet "${cidr}"`)
  return subnet
}

export function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined
}

/** LXD's `ipv4.address` of a network is its gateway with a prefix (`10.1.0.1/24`) → both. Throws bad-request. */
export function parseNetworkAddress(text: string): { subnet: string; gateway: string } {
  const { first, last } = mustRead(text)
  const [gateway = '', prefix = ''] = text.split('/')
  const number = parseAddress(gateway) ?? 0
  // Room for a gateway, an instance and the range of others.
  if (Number(prefix) > 28) throw badRequest(`Invalid IPv4 subnet "${text}": it must have at least 16 addresses`)
  if (!isPrivate(first, last)) throw badRequest(`Invalid IPv4 subnet "${text}": it must be a private one`)
  if (number !== first + 1)
    throw badRequest(
      `Invalid IPv4 subnet "${text}": the gateway must be its first address, ${formatAddress(first + 1)}`,
    )
  return { subnet: `${formatAddress(first)}/${prefix}`, gateway }
}

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(mustRead)

function isPrivate(first: number, last: number): boolean {
  return PRIVATE.some((range) => first >= range.first && last <= range.last)
}

export function overlaps(one: string, other: string): boolean {
  const [a, b] = [mustRead(one), readSubnet(other)]
  return b !== undefined && a.first <= b.last && b.first <= a.last
}

/** Beginning in a part of 10/8 that few use. */
const POOLS = ['10.128.0.0/9', '10.0.0.0/9', '172.16.0.0/12', '192.168.0.0/16'].map(mustRead)
const SIZE = 2 ** 12

/** A private /20 that overlaps none of these (CIDRs; what cannot be read, such as IPv6, is passed over). Conflict if there is none. */
export function freeSubnet(taken: string[]): string {
  const ranges = taken.map(readSubnet).filter((range) => range !== undefined)
  for (const pool of POOLS) {
    for (let first = pool.first; first < pool.last; first += SIZE) {
      if (ranges.every((range) => first > range.last || first + SIZE - 1 < range.first))
        return `${formatAddress(first)}/20`
    }
  }
  throw conflict('No free private IPv4 subnet is left')
}

/** The network's own address on it: the first one. */
export function gatewayOf(subnet: string): string {
  return formatAddress(mustRead(subnet).first + 1)
}

/** The part that is left to containers of others: the last /24, of a small subnet the last quarter. */
export function foreignRange(subnet: string): string {
  const { last } = mustRead(subnet)
  const prefix = Number(subnet.split('/')[1])
  const own = prefix < 24 ? 24 : Math.min(prefix + 2, 32)
  return `${formatAddress(last - 2 ** (32 - own) + 1)}/${own}`
}

export function inSubnet(address: string, subnet: string): boolean {
  const number = parseAddress(address)
  const range = readSubnet(subnet)
  return number !== undefined && range !== undefined && number >= range.first && number <= range.last
}

/** Every address that instances may have, once: those behind `after` first. Neither the gateway's nor of the foreign range. */
export function* addressesOf(subnet: string, after?: string): Generator<string> {
  const lowest = mustRead(subnet).first + 2
  const end = mustRead(foreignRange(subnet)).first
  const begin = Math.max((after === undefined ? undefined : parseAddress(after)) ?? 0, lowest - 1) + 1
  for (let number = begin; number < end; number++) yield formatAddress(number)
  for (let number = lowest; number < Math.min(begin, end); number++) yield formatAddress(number)
}

/** Bad-request for an address that no instance of this subnet can have. */
export function checkAddress(subnet: string, address: string): void {
  const number = parseAddress(address)
  if (number === undefined) throw badRequest(`Not an IPv4 address: ${address}`)
  const { first } = mustRead(subnet)
  if (!inSubnet(address, subnet) || number === first)
    throw badRequest(`Device IP address "${address}" not within ${subnet}`)
  if (address === gatewayOf(subnet)) throw badRequest(`Device IP address "${address}" is the network's own`)
  if (inSubnet(address, foreignRange(subnet)))
    throw badRequest(
      `Device IP address "${address}" is in ${foreignRange(subnet)}, the range of containers made by others`,
    )
}

/** Whether a MAC can have been derived from an address. */
export function isDerivedMac(mac: string): boolean {
  return mac.startsWith('02:42:')
}

/** The MAC that Docker Engine derives from an address: 02:42 and its four bytes. */
export function macOf(address: string): string {
  const number = parseAddress(address)
  if (number === undefined) throw badRequest(`Not an IPv4 address: ${address}`)
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  return ['02', '42', ...bytes].join(':')
}
