import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from './core/ports.ts'

/** The machine's clock; operation ids are UUIDs of version 7 (RFC 9562), so that they sort by time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  uuid: () => randomUUID(),
  operationId: () => toUuid7(Date.now(), randomBytes(10)),
}

function toUuid7(at: number, random: Buffer): string {
  random.writeUInt16BE((random.readUInt16BE(0) & 0x0fff) | 0x7000, 0)
  random.writeUInt8((random.readUInt8(2) & 0x3f) | 0x80, 2)
  const hex = at.toString(16).padStart(12, '0') + random.toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
