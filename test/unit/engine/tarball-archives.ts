/** Small archives for the tests, and streams of them. */
import { Readable } from 'node:stream'
import { TAR_END, tarHeader, tarPadding } from '../../../src/engine/docker/tar-writer.ts'
import type { TarHeader } from '../../../src/engine/docker/tar-reader.ts'

export interface Made extends Partial<Omit<TarHeader, 'name' | 'size'>> {
  name: string
  content?: string | Buffer
}

/** A tar of these entries, with its end. */
export function makeTar(entries: readonly Made[]): Buffer {
  return Buffer.concat([...entries.map((entry) => makeEntry(entry)), TAR_END])
}

export function makeEntry({ content = '', type = 'file', ...rest }: Made): Buffer {
  const body = Buffer.from(content)
  const header: TarHeader = {
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    linkname: '',
    xattrs: new Map(),
    ...rest,
    type,
    size: type === 'file' ? body.length : 0,
  }
  return Buffer.concat([tarHeader(header), body, tarPadding(body.length)])
}

/** In pieces of `size` bytes, so that every border lies within a piece at some time. */
export function inPieces(bytes: Buffer, size = 997): Readable {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
  return Readable.from(pieces, { objectMode: false })
}
