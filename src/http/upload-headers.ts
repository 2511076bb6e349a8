import type { IncomingHttpHeaders } from 'node:http'
import type { UploadInfo } from '../services/image-upload.ts'
import type { ImportInfo } from '../services/instance-import.ts'

/** What LXD's clients say of a backup that they send. */
export function toImportInfo(headers: IncomingHttpHeaders): ImportInfo {
  const text = (name: string) => [headers[name] ?? []].flat().join(',')
  return { name: text('x-lxd-name') || undefined, pool: text('x-lxd-pool') || undefined }
}

/** What LXD's clients say of an upload in its headers; properties and aliases are URL-encoded there. */
export function toUploadInfo(headers: IncomingHttpHeaders): UploadInfo {
  const text = (name: string) => [headers[name] ?? []].flat().join(',')
  return {
    filename: text('x-lxd-filename') || undefined,
    public: isTrue(text('x-lxd-public')),
    properties: Object.fromEntries(new URLSearchParams(text('x-lxd-properties'))),
    fingerprint: text('x-lxd-fingerprint') || undefined,
    secret: text('x-lxd-secret') || undefined,
    aliases: new URLSearchParams(text('x-lxd-aliases')).getAll('name').map((name) => ({ name })),
  }
}

function isTrue(text: string): boolean {
  return ['true', '1', 'yes', 'on'].includes(text.toLowerCase())
}
