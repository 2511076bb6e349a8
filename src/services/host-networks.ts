/** What the network of this machine has already: what a new bridge of an engine here must keep clear of. */
import { readdir, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'

export interface HostNetworks {
  /** In CIDR form: of interfaces and of routes. */
  subnets: string[]
  /** Names of interfaces, bridges among them. */
  interfaces: string[]
}

/** Looks at interfaces and IPv4 routes. What cannot be read (no Linux, no permission) is left out. */
export async function readHostNetworks(): Promise<HostNetworks> {
  const interfaces = networkInterfaces()
  const cidrs = Object.values(interfaces).flatMap((addresses) => (addresses ?? []).map(({ cidr }) => cidr ?? ''))
  const [names, routes] = await Promise.all([
    readdir('/sys/class/net').catch(() => Object.keys(interfaces)),
    readFile('/proc/net/route', 'utf8').catch(() => ''),
  ])
  const routed = parseRoutes(routes).map(({ subnet }) => subnet)
  return { subnets: [...cidrs, ...routed].filter((cidr) => cidr !== ''), interfaces: names }
}

/** Where a subnet (in CIDR form) is reached. */
interface Route {
  interface: string
  subnet: string
}

/** The kernel's table of IPv4 routes; the default route is none. */
export function parseRoutes(table: string): Route[] {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .flatMap(([name = '', destination = '', , , , , , mask = '']) => {
      if (!isWord(destination) || !isWord(mask) || destination === '00000000') return []
      return [{ interface: name, subnet: `${bytesOf(destination).join('.')}/${prefixOf(mask)}` }]
    })
}

function isWord(hex: string): boolean {
  return /^[0-9A-F]{8}$/i.test(hex)
}

/** The table holds addresses as the machine's words: the last byte first. */
function bytesOf(hex: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}

function prefixOf(mask: string): number {
  return bytesOf(mask).reduce((bits, byte) => bits + byte.toString(2).replaceAll('0', '').length, 0)
}
