import { randomUUID } from 'node:crypto'
import type { Clock } from './core/ports.ts'

/** The machine's clock; operation ids are UUIDs of version 7 (RFC 9562), so that they sort by time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  uuid: () => randomUUID(),
  operationId: () => toUuid7(Date.now(), randomUUID()),
}

/** Milliseconds in the place of the first 48 bits of a random UUID, whose other bits are where version 7 has them. */
function toUuid7(at: number, random: string): string {
  const time = at.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`
}
