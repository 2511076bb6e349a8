import { createHash } from 'node:crypto'
import type { ImageRecord } from '../contract/records.ts'
import { preconditionFailed } from './failure.ts'

/** The bare entity tag of a record: changes with each write of it. In the header it stands in double quotes. */
export function etagOf(uuid: string, rev: number): string {
  return `${uuid}.${rev}`
}

/** That of an image is of what clients write of it, as in LXD: that something is made of it changes nothing for them. */
export function imageEtag(image: ImageRecord): string {
  const { uuid, public: isPublic, auto_update, expires_at, properties, profiles } = image
  const written = JSON.stringify([uuid, isPublic, auto_update, expires_at, properties, profiles])
  return createHash('sha256').update(written).digest('hex')
}

/**
 * Compares an `If-Match` header with what the thing is now. LXD also takes the tag without quotes; a list and `*` are
 * HTTP's. No header, or an empty one, asks for nothing. Throws precondition-failed with LXD's text.
 */
export function checkIfMatch(header: string | undefined, etag: string): void {
  if (header === undefined || header.trim() === '') return
  const wanted = header.split(',').map((tag) =>
    tag
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1'),
  )
  if (wanted.includes('*') || wanted.includes(etag)) return
  throw preconditionFailed(`ETag doesn't match: ${etag} vs ${wanted.join(', ')}`)
}
