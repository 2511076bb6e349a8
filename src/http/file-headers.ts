/** What LXD's clients and servers say of a file beside its bytes: the `X-LXD-…` headers. */
import type { IncomingHttpHeaders } from 'node:http'
import { badRequest } from '../core/failure.ts'
import type { FileEntry } from '../core/files.ts'
import { type FilePush, PERMISSIONS, type Permission } from '../services/instance-files.ts'

const TYPES = ['file', 'directory', 'symlink'] as const
/** The kernel takes the highest for "leave it as it is". */
const MAX_ID = 2 ** 32 - 2

/** What a push asks for; bad-request in LXD's words for what is none of its values. */
export function toFilePush(headers: IncomingHttpHeaders): FilePush {
  const text = (name: string) => [headers[name] ?? []].flat().join(',')
  const type = text('x-lxd-type') || 'file'
  const known = TYPES.find((one) => one === type)
  if (known === undefined) throw badRequest(`Bad file type: ${type}`)
  const write = text('x-lxd-write') || 'overwrite'
  if (write !== 'overwrite' && write !== 'append') throw badRequest(`Bad file write mode: ${write}`)
  const [mode, uid, gid] = [toMode(text('x-lxd-mode')), toId('uid', text('x-lxd-uid')), toId('gid', text('x-lxd-gid'))]
  return {
    type: known,
    append: write === 'append',
    changed: toPermissions(text('x-lxd-modify-perm')),
    ...(mode !== undefined && { mode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  }
}

/** Follows LXD's `instances_files_modify_permissions`. */
function toPermissions(text: string): Permission[] {
  const words = text === '' ? [] : text.split(',').map((word) => word.trim())
  return words.map((word) => {
    const known = PERMISSIONS.find((one) => one === word)
    if (known === undefined) throw badRequest(`Bad file permission to modify: ${word}`)
    return known
  })
}

function toMode(text: string): number | undefined {
  if (text === '') return undefined
  if (!/^(0o?)?[0-7]{1,4}$/.test(text)) throw badRequest(`Bad file mode: ${text}`)
  return Number.parseInt(text.replace('o', ''), 8)
}

function toId(what: string, text: string): number | undefined {
  if (text === '') return undefined
  if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_ID) throw badRequest(`Bad file ${what}: ${text}`)
  return Number(text)
}

/** The headers of an answer. */
export function fileHeaders({ type, mode, uid, gid, modified }: FileEntry): Record<string, string> {
  const at = new Date(modified)
  return {
    'x-lxd-type': type,
    'x-lxd-mode': mode.toString(8).padStart(4, '0'),
    'x-lxd-uid': String(uid),
    'x-lxd-gid': String(gid),
    // As Go prints a time.
    'x-lxd-modified': `${at.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`,
    'last-modified': at.toUTCString(),
  }
}
