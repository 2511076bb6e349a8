/** Writes plain tar: ustar, with pax records where ustar has no room. */
import type { TarHeader, TarType } from './tar-reader.ts'

const BLOCK = 512
const ZEROS = Buffer.alloc(2 * BLOCK)
const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}
const MAX_OCTAL_7 = 0o7777777
const MAX_OCTAL_11 = 0o77777777777

/** The end of an archive. */
export const TAR_END = ZEROS

/** What an entry made by us needs to say. */
export function newEntry(name: string, type: 'file' | 'directory', size: number): TarHeader {
  const mode = type === 'directory' ? 0o755 : 0o644
  return { name, type, size, mode, uid: 0, gid: 0, mtime: 0, linkname: '', xattrs: new Map() }
}

/** The blocks that stand before an entry's bytes. */
export function tarHeader(header: TarHeader): Buffer {
  const name = header.type === 'directory' && !header.name.endsWith('/') ? `${header.name}/` : header.name
  const records = paxRecords({ ...header, name })
  const block = makeBlock({ ...header, name: name.slice(0, 100) }, FLAGS[header.type])
  if (records.length === 0) return block
  const about = { ...newEntry('PaxHeader', 'file', records.length), mtime: header.mtime }
  return Buffer.concat([makeBlock(about, 'x'), records, tarPadding(records.length), block])
}

/** What fills the last block of so many bytes. */
export function tarPadding(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK)
}

/** A whole small entry. */
export function tarFile(name: string, content: Buffer): Buffer {
  return Buffer.concat([tarHeader(newEntry(name, 'file', content.length)), content, tarPadding(content.length)])
}

/** Many small pieces as few large ones: each piece would become a write of its own on the way to the engine. */
export async function* inChunks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = []
  let size = 0
  for await (const piece of source) {
    pieces.push(piece)
    size += piece.length
    if (size < 64 * 1024) continue
    yield Buffer.concat(pieces, size)
    pieces = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(pieces, size)
}

function makeBlock(header: TarHeader, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write(header.name, 0, 100, 'latin1')
  block.write(octal(header.mode, 7), 100)
  block.write(octal(Math.min(header.uid, MAX_OCTAL_7), 7), 108)
  block.write(octal(Math.min(header.gid, MAX_OCTAL_7), 7), 116)
  block.write(octal(Math.min(header.size, MAX_OCTAL_11), 11), 124)
  block.write(octal(Math.min(header.mtime, MAX_OCTAL_11), 11), 136)
  block.write('        ', 148)
  block.write(flag, 156)
  block.write(header.linkname, 157, 100, 'latin1')
  block.write('ustar\u000000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148)
  return block
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function paxRecords(header: TarHeader): Buffer {
  const records: Buffer[] = []
  const add = (key: string, value: string | Buffer): void => void records.push(paxRecord(key, value))
  if (header.name.length > 100) add('path', header.name)
  if (header.linkname.length > 100) add('linkpath', header.linkname)
  if (header.size > MAX_OCTAL_11) add('size', String(header.size))
  if (header.uid > MAX_OCTAL_7) add('uid', String(header.uid))
  if (header.gid > MAX_OCTAL_7) add('gid', String(header.gid))
  for (const [key, value] of header.xattrs) add(`SCHILY.xattr.${key}`, value)
  return Buffer.concat(records)
}

function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([
    Buffer.from(` ${key}=`, 'latin1'),
    typeof value === 'string' ? Buffer.from(value, 'latin1') : value,
    Buffer.from('\n'),
  ])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}
