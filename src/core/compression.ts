import { badRequest } from './failure.ts'

/** How a tarball is packed, told by its first bytes; a file name proves nothing. */
export type Compression = 'gzip' | 'xz' | 'zstd' | 'bzip2' | 'lzma' | 'squashfs' | 'none'

const ANY = -1
const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68, ANY, 0x31, 0x41]],
  ['lzma', [0x5d, 0x00, 0x00]],
  ['squashfs', [0x68, 0x73, 0x71, 0x73]],
]
const EXTENSION: Readonly<Record<Compression, string>> = {
  gzip: '.tar.gz',
  xz: '.tar.xz',
  zstd: '.tar.zst',
  bzip2: '.tar.bz2',
  lzma: '.tar.lzma',
  squashfs: '.squashfs',
  none: '.tar',
}

/** `none` for everything that is none of the known ones: a plain tar, or no tarball at all. */
export function compressionOf(head: Uint8Array): Compression {
  return MAGIC.find(([, magic]) => magic.every((byte, at) => byte === ANY || head[at] === byte))?.[0] ?? 'none'
}

/** What LXD's client puts behind the fingerprint when it saves an image. */
export function tarballExtension(compression: Compression): string {
  return EXTENSION[compression]
}

/** What tarballs are packed by here. */
export type PackedBy = Exclude<Compression, 'squashfs'>
const PACKERS: readonly PackedBy[] = ['gzip', 'zstd', 'none', 'xz', 'bzip2', 'lzma']

/**
 * What a client calls the compression it wants; '' is gzip, LXD's own default. Bad-request for everything else: LXD runs
 * what it finds there as a command.
 */
export function parseCompression(algorithm: string): PackedBy {
  const known = PACKERS.find((one) => one === (algorithm || 'gzip'))
  if (known !== undefined) return known
  throw badRequest(`Unsupported compression algorithm "${algorithm}": use ${PACKERS.join(', ')}`)
}
