import type { FastifyRequest } from 'fastify'

/** Seconds of `Prefer: wait=N` (RFC 7240), or undefined. */
export function preferredWait(request: FastifyRequest): number | undefined {
  const header = [request.headers['prefer'] ?? []].flat().join(',')
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(header)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}
