import { badRequest } from './failure.ts'

/**
 * Throws bad-request for a text or key of a decoded JSON that has half of a surrogate pair, such as `"\ud800"`: no URL
 * and no UTF-8 can hold it.
 */
export function refuseHalfCharacters(...texts: unknown[]): void {
  if (texts.some((text) => typeof text === 'string' && !text.isWellFormed()))
    throw badRequest('Invalid body: it contains half of a surrogate pair')
}
