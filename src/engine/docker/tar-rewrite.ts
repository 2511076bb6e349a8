/**
 * Renames, leaves out or replaces entries of a tar while it streams. Headers are passed on as they are: parsing and
 * packing them anew would lose file capabilities and owners above 262,143. Names go into a pax header in front.
 */
import { Readable } from 'node:stream'
import { badRequest } from '../../core/failure.ts'

export interface TarEntry {
  /** Its bytes, as a latin1 string: not every name is UTF-8. So is the link's target. */
  name: string
  /** Target of a link; '' for what is none. */
  linkname: string
  /** The type flag: `0` file, `1` hard link, `2` symbolic link, `5` directory … */
  type: string
  size: number
}

/** What becomes of an entry: gone, renamed (its link target only where told), or with another body. */
export type Decision = 'keep' | 'drop' | { name: string; linkname?: string } | { body: (old: Buffer) => Buffer }

const BLOCK = 512
/** Bytes of a header of names or of a body that is replaced. */
const MAX_HELD = 16 * 1024 * 1024

/** The tar with every entry as `decide` says. */
export function rewriteTar(source: Readable, decide: (entry: TarEntry) => Decision): Readable {
  return Readable.from(rewrite(source, decide), { objectMode: false })
}

/** What came before an entry and belongs to it. */
interface Extended {
  /** pax records as they stand, by key. */
  records: Map<string, Buffer>
  name: string | undefined
  linkname: string | undefined
}

async function* rewrite(source: Readable, decide: (entry: TarEntry) => Decision): AsyncGenerator<Buffer> {
  const reader = createReader(source)
  let extended: Extended = { records: new Map(), name: undefined, linkname: undefined }
  for (;;) {
    const header = await reader.take(BLOCK)
    if (header === undefined || header.every((byte) => byte === 0)) break
    const type = header.toString('latin1', 156, 157)
    const size = sizeOf(header)
    if (type === 'x' || type === 'L' || type === 'K') {
      extend(extended, type, await heldBody(reader, size))
      continue
    }
    const entry = toEntry(header, extended)
    // A global header only comments; passed on as the first entry its name could look like compression.
    const decision = type === 'g' ? 'drop' : decide(entry)
    yield* act({ reader, header, entry, extended }, decision)
    extended = { records: new Map(), name: undefined, linkname: undefined }
  }
  yield Buffer.alloc(2 * BLOCK)
  // What follows the end is padding; the source must still be read to its end.
  await reader.drain()
}

interface Turn {
  reader: Reader
  header: Buffer
  entry: TarEntry
  extended: Extended
}

async function* act({ reader, header, entry, extended }: Turn, decision: Decision): AsyncGenerator<Buffer> {
  const padded = Math.ceil(entry.size / BLOCK) * BLOCK
  if (decision === 'drop') {
    for await (const _ of reader.pass(padded)) continue
    return
  }
  if (decision !== 'keep' && 'body' in decision) {
    const body = decision.body(await heldBody(reader, entry.size))
    yield* withSize(header, body)
    return
  }
  const name = decision === 'keep' ? entry.name : decision.name
  const linkname = decision === 'keep' ? entry.linkname : (decision.linkname ?? entry.linkname)
  extended.records.set('path', record('path', name))
  if (linkname !== '') extended.records.set('linkpath', record('linkpath', linkname))
  yield* paxHeader(extended.records)
  yield header
  yield* reader.pass(padded)
}

function toEntry(header: Buffer, { records, name, linkname }: Extended): TarEntry {
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isUstar ? field(header, 345, 155) : ''
  const short = field(header, 0, 100)
  const size = valueOf(records.get('size'))
  return {
    name: valueOf(records.get('path')) ?? name ?? (prefix === '' ? short : `${prefix}/${short}`),
    linkname: valueOf(records.get('linkpath')) ?? linkname ?? field(header, 157, 100),
    type: header.toString('latin1', 156, 157).replace('\0', '0'),
    size: size === undefined ? sizeOf(header) : Number(size),
  }
}

function extend(extended: Extended, type: 'x' | 'L' | 'K', body: Buffer): void {
  if (type === 'x') for (const one of recordsOf(body)) extended.records.set(one.key, one.record)
  else if (type === 'L') extended.name = untilNul(body)
  else extended.linkname = untilNul(body)
}

function* recordsOf(body: Buffer): Generator<{ key: string; record: Buffer }> {
  for (let at = 0; at < body.length;) {
    const blank = body.indexOf(0x20, at)
    const length = Number(body.toString('latin1', at, blank))
    if (blank < 0 || !Number.isInteger(length) || length < 5) return
    const bytes = body.subarray(at, at + length)
    yield { key: bytes.toString('latin1', blank - at + 1, bytes.indexOf(0x3d)), record: bytes }
    at += length
  }
}

function valueOf(bytes: Buffer | undefined): string | undefined {
  return bytes?.toString('latin1', bytes.indexOf(0x3d) + 1, bytes.length - 1)
}

/** `20 path=…\n`, whose number counts the whole line, itself too. */
function record(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`.length
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return Buffer.from(`${length} ${key}=${value}\n`, 'latin1')
}

function* paxHeader(records: ReadonlyMap<string, Buffer>): Generator<Buffer> {
  const body = Buffer.concat([...records.values()])
  const header = Buffer.alloc(BLOCK)
  header.write('PaxHeader', 0)
  header.write('0000644\u00000000000\u00000000000\u0000', 100)
  header.write('00000000000\u0000', 136)
  header.write('x', 156)
  header.write('ustar\u000000', 257)
  yield* withSize(header, body)
}

/** A header with another body: the size, the sum, the body and its padding. */
function* withSize(header: Buffer, body: Buffer): Generator<Buffer> {
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  yield header
  yield body
  yield Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)
}

function sizeOf(header: Buffer): number {
  // GNU's base 256 for what eleven octal digits cannot hold.
  if ((header[124] ?? 0) >= 0x80) return Number(header.readBigUInt64BE(128))
  const size = Number.parseInt(field(header, 124, 12).trim() || '0', 8)
  if (Number.isNaN(size) || size < 0) throw badRequest('The tar archive is broken: an entry without a size')
  return size
}

function field(header: Buffer, start: number, length: number): string {
  return untilNul(header.subarray(start, start + length))
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}

async function heldBody(reader: Reader, size: number): Promise<Buffer> {
  if (size > MAX_HELD) throw badRequest('The tar archive is broken: a header of unlikely size')
  const padded = await reader.take(Math.ceil(size / BLOCK) * BLOCK)
  if (padded === undefined) throw badRequest('The tar archive ends in the middle of an entry')
  return padded.subarray(0, size)
}

interface Reader {
  /** Exactly so many bytes; undefined at the end. */
  take(size: number): Promise<Buffer | undefined>
  /** So many bytes, in the chunks they come in. */
  pass(size: number): AsyncGenerator<Buffer>
  drain(): Promise<void>
}

function createReader(source: Readable): Reader {
  // Without an encoding the chunks of a byte stream are Buffers.
  const chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)

  async function more(): Promise<boolean> {
    const next = await chunks.next()
    if (next.done === true) return false
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value])
    return true
  }
  function cut(size: number): Buffer {
    const piece = held.subarray(0, size)
    held = held.subarray(size)
    return piece
  }
  return {
    take: async (size) => {
      while (held.length < size) if (!(await more())) break
      if (held.length >= size) return Buffer.from(cut(size))
      if (held.length > 0) throw badRequest('The tar archive ends in the middle of an entry')
      return undefined
    },
    pass: async function* (size) {
      for (let left = size; left > 0;) {
        if (held.length === 0 && !(await more())) throw badRequest('The tar archive ends in the middle of an entry')
        const piece = cut(Math.min(left, held.length))
        left -= piece.length
        yield piece
      }
    },
    drain: async () => {
      while (await more()) held = Buffer.alloc(0)
    },
  }
}
