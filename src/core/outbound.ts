/**
 * Where this server may be led to by a name that a client gives: other servers of LXD's API. What is on this machine or
 * in its private networks is for admins to name, and for operators only in the networks that the operator of this server
 * lists.
 */
import { BlockList, isIP } from 'node:net'
import { badRequest, forbidden } from './failure.ts'

/** Networks as CIDRs that may be reached besides the public ones. */
export type Reach = string[]

/** Of admins. */
export const EVERYWHERE: Reach = ['0.0.0.0/0', '::/0']

/** IANA's special-purpose registries: this host, private, shared, link-local (cloud metadata too), test, multicast, reserved. */
const SPECIAL = toList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
])
/** Of IPv6 only what is given out is public, without what leads on to IPv4 addresses (Teredo, 6to4) and documentation. */
const GLOBAL = toList(['2000::/3'])
const NOT_GLOBAL = toList(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** CIDRs, separated by commas; undefined for a text with something else in it. */
export function parseReach(text: string): Reach | undefined {
  const networks = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  return networks.every((one) => splitNetwork(one) !== undefined) ? networks : undefined
}

/** Whether a connection to this address may be made. */
export function mayReach(address: string, reach: Reach): boolean {
  return isPublic(address) || contains(toList(reach), address)
}

/** Forbidden for a URL that names an address out of reach; what a name leads to is only known when it is looked up. */
export function checkReach(url: URL, reach: Reach): void {
  const host = hostOf(url)
  if (isIP(host) === 0 || mayReach(host, reach)) return
  throw forbidden(
    `Only an admin may name a server at ${host}, an address that is not public; ` +
      'WINDLASS_OPERATORS_REACH lists private networks for operators',
  )
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** An `https:` URL of a server without a path. Throws bad-request. */
export function parseServerUrl(text: string | null | undefined): URL {
  const url = text && URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') throw badRequest('Another server is named by its URL, such as https://host:8443')
  return url
}

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !contains(SPECIAL, address)
  return contains(GLOBAL, address) && !contains(NOT_GLOBAL, address)
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function toList(networks: string[]): BlockList {
  const list = new BlockList()
  for (const { address, prefix, family } of networks.flatMap((one) => splitNetwork(one) ?? []))
    list.addSubnet(address, prefix, family)
  return list
}

function splitNetwork(text: string) {
  const [, address = '', prefix = ''] = /^([0-9a-f.:]+)\/([0-9]{1,3})$/i.exec(text) ?? []
  const version = isIP(address)
  if (version === 0 || Number(prefix) > (version === 4 ? 32 : 128)) return undefined
  return { address, prefix: Number(prefix), family: version === 4 ? ('ipv4' as const) : ('ipv6' as const) }
}
