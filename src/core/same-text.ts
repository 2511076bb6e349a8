import { timingSafeEqual } from 'node:crypto'

/** Whether a text that was given is the secret one, in a time that does not tell how much of it is right. */
export function isSameText(secret: string, given: string): boolean {
  const [a, b] = [Buffer.from(secret), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}
