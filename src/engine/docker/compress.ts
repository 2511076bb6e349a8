/** Tarballs are packed in threads or in a process of their own, and never by the engine. */
import { pipeline, Readable, type Transform } from 'node:stream'
import { createGzip, createZstdCompress } from 'node:zlib'
import type { PackedBy } from '../../core/compression.ts'
import { packedByProgram } from './decompress.ts'

/** zlib works in threads of its own, the programs in processes. Errors of the tar come out of what is returned. */
export function compressed(tar: Readable, compression: PackedBy): Readable {
  switch (compression) {
    case 'none':
      return tar
    case 'gzip':
      return packedBy(tar, createGzip())
    case 'zstd':
      return packedBy(tar, createZstdCompress())
    case 'xz':
    case 'bzip2':
    case 'lzma':
      return Readable.from(packedByProgram(tar, compression), { objectMode: false })
  }
}

function packedBy(tar: Readable, packer: Transform): Readable {
  pipeline(tar, packer, () => undefined)
  return packer
}
