import type { Config } from '../contract/common.ts'
import { isAddress } from './addresses.ts'
import type { PublishedPort } from './container.ts'
import { badRequest } from './failure.ts'

interface Endpoint {
  protocol: 'tcp' | 'udp'
  address: string
  ports: number[]
}

/** More would mean one process of the engine per port. */
const MOST_PORTS = 256

/**
 * A proxy device → ports the engine publishes: `listen` on the host, `connect` in the instance. The engine connects to
 * the instance's own address, so `connect` may name only an address that means the instance itself. Throws bad-request.
 */
export function toPorts(device: Config): PublishedPort[] {
  const bind = device['bind'] ?? ''
  if (bind !== '' && bind !== 'host')
    throw badRequest('A proxy can only listen on the host on Docker Engine (bind=host)')
  const listen = parseEndpoint('listen', device['listen'] ?? '')
  const connect = parseEndpoint('connect', device['connect'] ?? '')
  if (listen.protocol !== connect.protocol)
    throw badRequest('Both ends of a proxy must have the same protocol on Docker Engine')
  if (!MEANS_SELF.includes(connect.address))
    throw badRequest(`A proxy can only connect to the instance itself on Docker Engine, not to "${connect.address}"`)
  if (connect.ports.length !== 1 && connect.ports.length !== listen.ports.length)
    throw badRequest('Mismatch between listen port(s) and connect port(s) count')
  return listen.ports.map((hostPort, at) => ({
    protocol: listen.protocol,
    listen: EVERYWHERE.includes(listen.address) ? '' : listen.address,
    hostPort,
    containerPort: connect.ports[connect.ports.length === 1 ? 0 : at] ?? 0,
  }))
}

const MEANS_SELF = ['127.0.0.1', '0.0.0.0', '::1', '::', 'localhost', '']
const EVERYWHERE = ['0.0.0.0', '::', '', '*']

/** LXD's `tcp:ADDRESS:PORTS`, the address in brackets where it is IPv6. */
function parseEndpoint(side: 'listen' | 'connect', text: string): Endpoint {
  if (text === '') throw badRequest(`Missing required option "${side}"`)
  const [protocol = ''] = text.split(':')
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw badRequest(`A proxy of type "${protocol}" is not possible on Docker Engine: ${text}`)
  const [, address, ports] = /^:(\[[0-9a-fA-F:.]*\]|[^:[\]]*):([0-9,-]+)$/.exec(text.slice(protocol.length)) ?? []
  if (ports === undefined || address === undefined || !isHost(address))
    throw badRequest(`Invalid ${side} address: ${text}`)
  return { protocol, address: address.replace(/^\[(.*)\]$/, '$1'), ports: parsePorts(ports) }
}

function isHost(address: string): boolean {
  return address.startsWith('[') || address === '*' || MEANS_SELF.includes(address) || isAddress(address)
}

/** `80`, `80-90`, `80,90-92`. */
function parsePorts(text: string): number[] {
  const ports = text.split(',').flatMap((part) => {
    const [, first, last = first] = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part) ?? []
    const from = Number(first)
    const to = Number(last)
    if (!(from >= 1 && to <= 65_535 && from <= to)) throw badRequest(`Invalid port number "${part}"`)
    if (to - from >= MOST_PORTS) throw badRequest(`A proxy can have at most ${MOST_PORTS} ports on Docker Engine`)
    return Array.from({ length: to - from + 1 }, (_none, at) => from + at)
  })
  if (ports.length > MOST_PORTS) throw badRequest(`A proxy can have at most ${MOST_PORTS} ports on Docker Engine`)
  return ports
}
