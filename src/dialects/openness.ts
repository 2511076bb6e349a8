import type { FastifyRequest } from 'fastify'
import { isCrossSite } from '../core/cross-site.ts'
import type { Caller } from '../services/caller.ts'
import type { DialectName } from './names.ts'

/** What the operator has opened: the dialects whose originals knew no authentication. */
export interface Openness {
  dialects: ReadonlySet<DialectName>
  /** Answer open requests from other machines too. */
  anywhere: boolean
}

/** The caller of a request without a token to an opened dialect: an operator. A browser led here by another site is nobody. */
export function openCaller(
  request: FastifyRequest,
  name: DialectName,
  { dialects, anywhere }: Openness,
): Caller | undefined {
  if (!dialects.has(name)) return undefined
  if (!anywhere && !isLoopback(request.ip)) return undefined
  if (isCrossSite(request) || !(anywhere || isLoopbackName(request.hostname))) return undefined
  return { requestor: { username: name, protocol: 'none', address: request.ip }, role: 'operator', projects: null }
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || /^(::ffff:)?127\./.test(ip)
}

/** A name that was pointed at this machine by somebody else's DNS is no loopback name. */
function isLoopbackName(hostname: string): boolean {
  const host = hostname.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
