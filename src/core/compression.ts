/** How a tarball is packed, told by its first bytes; a file name proves nothing. */
export type Compression = 'gzip' | 'xz' | 'zstd' | 'none'

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
]
const EXTENSION: Readonly<Record<Compression, string>> = {
  gzip: '.tar.gz',
  xz: '.tar.xz',
  zstd: '.tar.zst',
  none: '.tar',
}

/** `none` for everything that is none of the known ones: a plain tar, or no tarball at all. */
export function compressionOf(head: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, at) => head[at] === byte))?.[0] ?? 'none'
}

/** What LXD's client puts behind the fingerprint when it saves an image. */
export function tarballExtension(compression: Compression): string {
  return EXTENSION[compression]
}
