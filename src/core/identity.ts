/** Ids in other shapes, for those outside who need them: derived from an instance's uuid, so that they never change. */
import { createHash } from 'node:crypto'

/** 64 hex digits. A container made by others has the engine's id, which has this shape already. */
export function hexIdOf(uuid: string): string {
  return isHexId(uuid) ? uuid : digest(uuid)
}

/** A UUID. Of a container made by others it is derived from the engine's id. */
export function uuidOf(uuid: string): string {
  if (!isHexId(uuid)) return uuid
  const hex = digest(uuid)
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

function isHexId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

function digest(uuid: string): string {
  return createHash('sha256').update(`windlass:${uuid}`).digest('hex')
}

/** LXD's rule for instance names, made of any text: `test_vm.1` becomes `test-vm-1`. */
export function toInstanceName(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9-]+/g, '-').replaceAll(/^-+|-+$/g, '')
  const named = /^[A-Za-z]/.test(plain) ? plain : `c-${plain}`
  return named.slice(0, 59).replace(/-+$/, '')
}
