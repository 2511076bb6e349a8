import { NEVER } from '../contract/common.ts'
import { badRequest } from './failure.ts'

// Go's clients read times strictly: one without a zone, or of a day that does not exist, fails their whole list.
const RFC_3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/

/** When something expires: RFC 3339 as clients send it → the same in UTC; nothing is never. Throws bad-request. */
export function parseExpiry(text: string | null | undefined): string {
  if (!text || text === NEVER) return NEVER
  const at = RFC_3339.test(text) ? Date.parse(text) : Number.NaN
  // Also 1970, which is how LXD shows it of images.
  if (at <= 0) return NEVER
  if (Number.isNaN(at)) throw badRequest(`Invalid expires_at "${text}": a time such as 2030-01-01T00:00:00Z is wanted`)
  return toText(new Date(at))
}

/** A time as others have written it → one that Go's clients can read; what is none → `otherwise`. */
export function timeOr(text: string | null | undefined, otherwise: string): string {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? otherwise : new Date(at).toISOString()
}

/** LXD's zero of the times at which instances and images were used, and images expire, is another one than that of snapshots. */
export function sinceEpoch(time: string): string {
  return time === NEVER ? '1970-01-01T00:00:00Z' : time
}

/** `snapshots.expiry`, as `1d 12H` (M minutes, H hours, d days, w weeks, m months, y years), from now on; '' is never. */
export function expiryAfter(now: Date, expression: string): string {
  const terms = [...expression.matchAll(/([0-9]+)([MHdwmy])/g)]
  if (terms.length === 0) return NEVER
  const at = new Date(now)
  for (const [, amount = '', unit = ''] of terms) ADD[unit]?.(at, Number(amount))
  // A thousand years of a thousand: further than a date goes.
  return Number.isNaN(at.getTime()) ? NEVER : toText(at)
}

const ADD: Record<string, (at: Date, amount: number) => void> = {
  M: (at, amount) => void at.setUTCMinutes(at.getUTCMinutes() + amount),
  H: (at, amount) => void at.setUTCHours(at.getUTCHours() + amount),
  d: (at, amount) => void at.setUTCDate(at.getUTCDate() + amount),
  w: (at, amount) => void at.setUTCDate(at.getUTCDate() + 7 * amount),
  m: (at, amount) => void at.setUTCMonth(at.getUTCMonth() + amount),
  y: (at, amount) => void at.setUTCFullYear(at.getUTCFullYear() + amount),
}

function toText(at: Date): string {
  return at.toISOString().replace('.000Z', 'Z')
}
