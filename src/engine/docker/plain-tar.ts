/**
 * What goes into an engine as an archive is plain tar and nothing else. Engines unpack a compressed one by running a
 * decompressor, those before 29.5.1 one of the container's own programs as the host's root (CVE-2026-41567).
 */
import { pipeline, type Readable, Transform } from 'node:stream'
import { badRequest } from '../../core/failure.ts'

const BLOCK = 512
const COMPRESSED: readonly (readonly [name: string, magic: Buffer])[] = [
  ['gzip', Buffer.from('1f8b', 'hex')],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from('fd377a585a00', 'hex')],
  ['zstd', Buffer.from('28b52ffd', 'hex')],
]

/** What else is fine. */
export interface PlainTarOptions {
  /** An archive without entries; an import of one would make an empty image. */
  mayBeEmpty: boolean
  /** A first name that looks like compression, because the engine will see something else first. */
  isPrefixed: boolean
  /** What goes before all of it. */
  prefix?: Buffer
}

/** Passes on what begins with a valid tar header, and fails before the first byte of anything else. */
export function plainTar(source: Readable, options: PlainTarOptions): Readable {
  const { prefix = Buffer.alloc(0) } = options
  let head: Buffer | undefined = Buffer.alloc(0)
  const checked = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (head === undefined) return done(null, chunk)
      head = Buffer.concat([head, chunk])
      if (head.length < BLOCK) return done()
      const fault = faultOf(head, options)
      const first = head
      head = undefined
      return fault === undefined ? done(null, Buffer.concat([prefix, first])) : done(badRequest(fault))
    },
    flush(done) {
      done(head === undefined ? null : badRequest(faultOf(head, options) ?? 'The upload is no tar archive'))
    },
  })
  // The error reaches whoever reads `checked`; pipeline is here to end both together.
  pipeline(source, checked, () => undefined)
  return checked
}

function faultOf(head: Buffer, options: PlainTarOptions): string | undefined {
  if (head.length === 0) return 'The upload is empty'
  const block = head.subarray(0, BLOCK)
  const isTar = block.length === BLOCK && hasValidSum(block)
  if (isTar && options.isPrefixed) return undefined
  const compression = COMPRESSED.find(([, magic]) => head.subarray(0, magic.length).equals(magic))
  if (compression !== undefined) return `The archive is compressed (${compression[0]}); a plain tar is wanted here`
  const isEmpty = block.length === BLOCK && block.every((byte) => byte === 0)
  if (isEmpty) return options.mayBeEmpty ? undefined : 'The archive is empty'
  return isTar ? undefined : 'The upload is no tar archive'
}

/** A tar header carries the sum of its bytes, counted with blanks in the sum's own place. */
function hasValidSum(block: Buffer): boolean {
  const told = Number.parseInt(block.toString('latin1', 148, 156).replaceAll('\0', ' ').trim(), 8)
  let sum = 0
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0)
  return told === sum
}

/**
 * The same with a header in front that says nothing: engines tell compression by the very first bytes, and those of a
 * file's name can look like it.
 */
export function unmistakableTar(source: Readable): Readable {
  return plainTar(source, { mayBeEmpty: true, isPrefixed: true, prefix: GLOBAL_HEADER })
}

/** A pax global header with one comment: tar(5); readers skip it. */
const GLOBAL_HEADER = makeGlobalHeader()

function makeGlobalHeader(): Buffer {
  const record = Buffer.alloc(BLOCK)
  const length = record.write('20 comment=windlass\n', 'latin1')
  const header = Buffer.alloc(BLOCK)
  header.write('pax_global_header', 0)
  header.write('0000644\u00000000000\u00000000000\u0000', 100)
  header.write(`${length.toString(8).padStart(11, '0')}\u000000000000000\u0000`, 124)
  header.write('        g', 148)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, record])
}
