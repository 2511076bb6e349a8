/** An image's files on the wire: one tarball, or LXD's `metadata` and then its `rootfs` as multipart/form-data. */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { badRequest, unsupported } from './failure.ts'
import { KEPT_FILE, ROOTFS_FILE, type KeptFile } from './kept-files.ts'
import { boundaryOf, partsOf } from './multipart.ts'

/** A file of an image: all of it, or first LXD's `metadata` and then its `rootfs`. */
export interface ImagePart {
  name: 'metadata' | 'rootfs' | ''
  filename: string
  content: Readable
}

/** What has been kept of an image. */
export interface KeptParts extends KeptFile {
  filename: string
  /** Of an image in two files: bytes of the second one. */
  rootfs?: number
}

/** Keeps one file; `used` bytes of the image have been kept before it. */
type KeepPart = (file: string, content: Readable, used: number) => Promise<KeptFile>

/** The files of a body, by its content type. It is left open where it is refused half-way. */
export async function* imagePartsOf(body: Readable, contentType: string | undefined): AsyncGenerator<ImagePart> {
  const boundary = boundaryOf(contentType)
  if (boundary === undefined) yield { name: '', filename: '', content: body }
  else yield* splitOf(body, boundary)
}

async function* splitOf(body: Readable, boundary: string): AsyncGenerator<ImagePart> {
  for await (const { name, filename, content } of partsOf(body, boundary)) {
    if (name === 'rootfs.img') throw unsupported('Images of virtual machines cannot be used on Docker Engine')
    if (name !== 'metadata' && name !== 'rootfs') throw badRequest('Invalid multipart image')
    yield { name, filename, content }
  }
}

/** One file as it is, or two whose fingerprint is that of the second behind the first, as in LXD. */
export async function keepParts(parts: AsyncIterable<ImagePart>, keep: KeepPart): Promise<KeptParts> {
  const both = createHash('sha256')
  let first: { filename: string; size: number } | undefined
  for await (const { name, filename, content } of parts) {
    if (name === '') return { ...(await keep(KEPT_FILE, content, 0)), filename }
    if ((name === 'metadata') !== (first === undefined)) break
    if (first === undefined) {
      const { size } = await keep(KEPT_FILE, hashed(content, both), 0)
      first = { filename, size }
      continue
    }
    const { size } = await keep(ROOTFS_FILE, hashed(content, both), first.size)
    return { filename: first.filename, rootfs: size, size: first.size + size, sha256: both.digest('hex') }
  }
  throw badRequest('Invalid multipart image: a part "metadata" and then a part "rootfs" are wanted')
}

function hashed(content: Readable, hash: Hash): Readable {
  return observed(content, (chunk) => void hash.update(chunk))
}

/** The same bytes, each chunk shown on its way. */
export function observed(content: AsyncIterable<unknown>, see: (chunk: Buffer) => void): Readable {
  const pass = async function* (): AsyncGenerator<Buffer> {
    // Without an encoding the chunks of a byte stream are Buffers.
    for await (const chunk of content as AsyncIterable<Buffer>) {
      see(chunk)
      yield chunk
    }
  }
  return Readable.from(pass(), { objectMode: false })
}
