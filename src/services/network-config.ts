/** Config keys of managed networks: bridges of the engine. What would be promised in vain is refused with the reason. */
import type { Config } from '../contract/common.ts'
import { parseNetworkAddress } from '../core/addresses.ts'
import { anything, boolean, isTrue, oneOf, type ValueCheck } from '../core/config-values.ts'
import { badRequest } from '../core/failure.ts'

const NOT_HERE = 'Not possible on Docker Engine'

const only =
  (wanted: boolean): ValueCheck =>
  (value) =>
    boolean(value) ?? (isTrue(value) === wanted ? undefined : NOT_HERE)

const address: ValueCheck = (value) => {
  if (value === 'none') return 'A network without IPv4 is not possible on Docker Engine'
  if (value !== 'auto') parseNetworkAddress(value)
  return undefined
}

const noIpv6: ValueCheck = (value) => (value === 'none' ? undefined : 'IPv6 is not possible; set it to none')

/** What is kept although the engine has its own way: it hands out addresses, resolves names and guards bridges itself. */
const KEYS: Record<string, ValueCheck> = {
  'bridge.driver': oneOf('native'),
  'bridge.mode': oneOf('standard'),
  'dns.domain': anything,
  'dns.mode': oneOf('managed', 'dynamic', 'none'),
  'dns.search': anything,
  'ipv4.address': address,
  'ipv4.dhcp': boolean,
  'ipv4.dhcp.expiry': anything,
  'ipv4.firewall': only(true),
  'ipv4.nat': boolean,
  'ipv4.routing': only(true),
  'ipv6.address': noIpv6,
  'ipv6.dhcp': only(false),
  'ipv6.dhcp.stateful': only(false),
  'ipv6.firewall': boolean,
  'ipv6.nat': only(false),
  'ipv6.routing': only(false),
}

/** LXD's other keys and prefixes of keys of bridges. */
const IMPOSSIBLE = [
  'bgp.',
  'bridge.',
  'dns.zone.',
  'fan.',
  'ipv4.',
  'ipv6.',
  'maas.',
  'raw.dnsmasq',
  'security.acls',
  'tunnel.',
]

/** Decided when the bridge is made; another value needs another network. */
export const FIXED = ['ipv4.address', 'ipv4.nat'] as const

/** Throws bad-request with LXD's texts for an unknown key or a bad value. */
export function checkNetworkConfig(name: string, config: Config): void {
  for (const [key, value] of Object.entries(config)) {
    if (value === '' || key.startsWith('user.')) continue
    const fault = checkOf(name, key)(value)
    if (fault !== undefined) throw badRequest(`Invalid value for network "${name}" option "${key}": ${fault}`)
  }
}

function checkOf(name: string, key: string): ValueCheck {
  const check = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
  if (check !== undefined) return check
  if (IMPOSSIBLE.some((prefix) => key.startsWith(prefix))) return () => NOT_HERE
  throw badRequest(`Invalid option for network "${name}" option "${key}"`)
}
