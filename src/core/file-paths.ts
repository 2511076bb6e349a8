/** Paths that users name inside instances. */
import { posix } from 'node:path'
import { badRequest } from './failure.ts'

/** The kernel's bounds, bytes: PATH_MAX with its NUL, NAME_MAX. */
const MAX_PATH = 4095
const MAX_NAME = 255

/**
 * The absolute path without `.`, `..` and double slashes; what leads above the root stays at the root (as in LXD).
 * Bad-request for none, for one with a NUL and for one that no file can have.
 */
export function parseFilePath(text: string | undefined): string {
  if (text === undefined || text === '') throw badRequest('Missing path argument')
  if (text.includes('\0')) throw badRequest('Invalid path: it contains a NUL')
  const path = posix.normalize(`/${text}`).replace(/(?<=.)\/+$/, '')
  const isLong =
    Buffer.byteLength(path) > MAX_PATH || path.split('/').some((name) => Buffer.byteLength(name) > MAX_NAME)
  if (isLong) throw badRequest(`Invalid path: file name too long`)
  return path
}
