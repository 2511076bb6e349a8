import { NEVER } from '../contract/common.ts'
import { badRequest } from './failure.ts'

// Go's clients read times strictly: one without a zone, or of a day that does not exist, fails their whole list.
const RFC_3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/

/** When something expires: RFC 3339 as clients send it → the same in UTC; nothing is never. Throws bad-request. */
export function parseExpiry(text: string | null | undefined): string {
  if (!text || text === NEVER) return NEVER
  const at = RFC_3339.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw badRequest(`Invalid expires_at "${text}": a time such as 2030-01-01T00:00:00Z is wanted`)
  return new Date(at).toISOString().replace('.000Z', 'Z')
}
