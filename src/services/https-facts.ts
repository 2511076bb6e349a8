import { createHash, X509Certificate } from 'node:crypto'
import { networkInterfaces } from 'node:os'

/** What clients are told of the HTTPS listener. */
export interface HttpsFacts {
  /** `host:port`, as in the setting. */
  address: string
  /** Where it can be reached, `host:port` each. */
  addresses: string[]
  /** PEM. */
  certificate: string
  /** SHA-256 of it, in hexadecimal digits. */
  fingerprint: string
}

/** `port` is the real one, also where the setting leaves it open. */
export function toHttpsFacts(host: string, port: number, certificate: string): HttpsFacts {
  const isAnywhere = host === '0.0.0.0' || host === '::'
  const fingerprint = createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex')
  const address = toPlace(host, port)
  const addresses = isAnywhere ? outwardAddresses(host).map((one) => toPlace(one, port)) : [address]
  return { address, addresses, certificate, fingerprint }
}

/** This machine's, but for those that only itself can reach; IPv4 first. */
function outwardAddresses(host: string): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)
  const outward = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
  const families = host === '::' ? ['IPv4', 'IPv6'] : ['IPv4']
  return families.flatMap((family) => outward.filter((one) => one.family === family).map(({ address }) => address))
}

function toPlace(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
