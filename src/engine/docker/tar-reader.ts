/**
 * Reads a plain tar as it comes: ustar, GNU and pax, tar(5). Names are latin1 strings and pax values bytes, so that
 * what is no UTF-8 (old file names, file capabilities) survives being read and written again.
 */
import { badRequest } from '../../core/failure.ts'

export type TarType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo'

export interface TarHeader {
  name: string
  type: TarType
  /** Bytes; 0 for everything but a file. */
  size: number
  mode: number
  uid: number
  gid: number
  /** Whole seconds since 1970. */
  mtime: number
  linkname: string
  xattrs: ReadonlyMap<string, Buffer>
  /** Of a device node. */
  numbers?: { major: number; minor: number }
}

export interface TarEntry extends TarHeader {
  /** The file's bytes. What is not read of them is skipped when the next entry is asked for. */
  body(): AsyncGenerator<Buffer>
}

const BLOCK = 512
/** Longest extended header; a path has 4 KiB and an extended attribute 64 KiB at most. */
const MAX_EXTENDED = 1024 * 1024
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
}
const XATTR = 'SCHILY.xattr.'

type Pax = ReadonlyMap<string, Buffer>
const NOTHING: Pax = new Map()

/** A fault in the archive itself. */
export function damaged(why: string): Error {
  return badRequest(`The tarball is damaged: ${why}`)
}

/**
 * All entries in order. Bad-request for what is no tar (LXD's `Unsupported compression`), for a damaged or truncated
 * one and for sparse files. Leaving the loop closes the source.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source)
  const said: Said = { global: NOTHING, own: NOTHING }
  let isFirst = true
  try {
    for (;;) {
      const block = bytes.at(BLOCK) ?? (await bytes.take(BLOCK, isFirst ? noTar : tooShort))
      if (block === undefined) throw isFirst ? noTar() : damaged('its end is missing')
      if (block[0] === 0 && block.every((byte) => byte === 0)) return await bytes.drain()
      if (!hasValidSum(block)) throw isFirst ? noTar() : damaged('a header is broken')
      isFirst = false
      if (EXTENDED.has(flagOf(block))) await hear(said, bytes, block)
      else yield* oneEntry(bytes, toHeader(block, heard(said)))
    }
  } finally {
    await bytes.close()
  }
}

/** LXD's words for what it cannot read. */
const noTar = (): Error => badRequest('Unsupported compression')
const tooShort = (): Error => damaged('it ends too early')

/** What headers in front of an entry have said of it, and of all entries after them. */
interface Said {
  global: Pax
  own: Pax
}

const EXTENDED = new Set(['g', 'x', 'L', 'K', 'V'])

async function hear(said: Said, bytes: Bytes, block: Buffer): Promise<void> {
  const flag = flagOf(block)
  // A volume's label is no entry.
  if (flag === 'V') return bytes.skip(padded(sizeIn(block)))
  const content = await extended(bytes, block)
  if (flag === 'g') said.global = withPax(said.global, content)
  else if (flag === 'x') said.own = withPax(said.own, content)
  else said.own = withLong(said.own, flag, content)
}

function heard(said: Said): Pax {
  const { global, own } = said
  said.own = NOTHING
  return global.size === 0 ? own : new Map([...global, ...own])
}

async function* oneEntry(bytes: Bytes, header: TarHeader): AsyncGenerator<TarEntry> {
  let left = header.size
  async function* body(): AsyncGenerator<Buffer> {
    while (left > 0) {
      const chunk = await bytes.some(left)
      left -= chunk.length
      yield chunk
    }
  }
  yield { ...header, body }
  const rest = left + padded(header.size) - header.size
  if (rest > 0) await bytes.skip(rest)
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK

/** A tar header carries the sum of its bytes, counted with blanks in the sum's own place. */
function hasValidSum(block: Buffer): boolean {
  let sum = 8 * 0x20
  for (let at = 0; at < 148; at++) sum += block[at] ?? 0
  for (let at = 156; at < BLOCK; at++) sum += block[at] ?? 0
  return sum === numberIn(block, 148, 8)
}

function toHeader(block: Buffer, pax: Pax): TarHeader {
  const name = textOf(pax, 'path') ?? nameIn(block)
  const type = typeOf(block, pax, name)
  return {
    name,
    type,
    size: type === 'file' ? whole('size', numberOf(pax, 'size') ?? numberIn(block, 124, 12)) : 0,
    mode: whole('mode', numberIn(block, 100, 8)) & 0o7777,
    uid: whole('uid', numberOf(pax, 'uid') ?? numberIn(block, 108, 8)),
    gid: whole('gid', numberOf(pax, 'gid') ?? numberIn(block, 116, 8)),
    // Engines keep whole seconds, and none before 1970.
    mtime: Math.max(0, Math.floor(numberOf(pax, 'mtime') ?? numberIn(block, 136, 12)) || 0),
    linkname: textOf(pax, 'linkpath') ?? stringIn(block, 157, 100),
    xattrs: xattrsOf(pax),
    ...((type === 'character' || type === 'block') && {
      numbers: { major: whole('major', numberIn(block, 329, 8)), minor: whole('minor', numberIn(block, 337, 8)) },
    }),
  }
}

function typeOf(block: Buffer, pax: Pax, name: string): TarType {
  const flag = flagOf(block)
  if (flag === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.')))
    throw badRequest('Sparse files in tarballs are not supported; pack it without --sparse')
  const known = TYPES[flag]
  if (known === undefined) throw badRequest(`The tarball has an entry of the unknown type "${flag}"`)
  // Before ustar a slash at the end was what made a directory.
  return known === 'file' && name.endsWith('/') ? 'directory' : known
}

function flagOf(block: Buffer): string {
  return block.toString('latin1', 156, 157)
}

function whole(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw damaged(`a ${what} is impossible`)
}

function nameIn(block: Buffer): string {
  const name = stringIn(block, 0, 100)
  // GNU's variant ("ustar  ") keeps times where ustar has the beginning of the path.
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? stringIn(block, 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function sizeIn(block: Buffer): number {
  return whole('size', numberIn(block, 124, 12))
}

function stringIn(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at)
  return block.toString('latin1', at, end < 0 || end > at + length ? at + length : end)
}

/** Octal digits, or GNU's base-256 for large and negative numbers. */
function numberIn(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0
  if ((first & 0x80) !== 0) {
    let value = first === 0xff ? -1 : first & 0x7f
    for (let next = at + 1; next < at + length; next++) value = value * 256 + (block[next] ?? 0)
    return value
  }
  const digits = stringIn(block, at, length).trim()
  if (digits === '') return 0
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

async function extended(bytes: Bytes, block: Buffer): Promise<Buffer> {
  const size = sizeIn(block)
  if (size > MAX_EXTENDED) throw badRequest(`The tarball has a header of more than ${MAX_EXTENDED} bytes`)
  const taken = size === 0 ? Buffer.alloc(0) : await bytes.take(padded(size))
  if (taken === undefined) throw damaged('it ends in the middle of a header')
  // A copy: what was taken is a view into a chunk that would be kept alive by it.
  return Buffer.from(taken.subarray(0, size))
}

function withLong(pax: Pax, flag: string, value: Buffer): Pax {
  const end = value.indexOf(0)
  return new Map([...pax, [flag === 'L' ? 'path' : 'linkpath', end < 0 ? value : value.subarray(0, end)]])
}

/** Records `length key=value\n`, the length counting the whole record. */
function withPax(pax: Pax, records: Buffer): Pax {
  const result = new Map(pax)
  for (let at = 0; at < records.length;) {
    const blank = records.indexOf(0x20, at)
    const length = blank < 0 ? Number.NaN : Number(records.toString('latin1', at, blank))
    const equals = records.indexOf(0x3d, blank)
    const end = at + length - 1
    if (!Number.isSafeInteger(length) || records[end] !== 0x0a || equals < 0 || equals >= end)
      throw damaged('an extended header is broken')
    result.set(records.toString('latin1', blank + 1, equals), records.subarray(equals + 1, end))
    at = end + 1
  }
  return result
}

function textOf(pax: Pax, key: string): string | undefined {
  return pax.get(key)?.toString('latin1')
}

function numberOf(pax: Pax, key: string): number | undefined {
  const text = textOf(pax, key)
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (!Number.isFinite(value)) throw damaged(`"${key}" is no number`)
  return value
}

function xattrsOf(pax: Pax): ReadonlyMap<string, Buffer> {
  if (pax.size === 0) return NOTHING
  const own = [...pax].filter(([key]) => key.startsWith(XATTR))
  return new Map(own.map(([key, value]) => [key.slice(XATTR.length), value]))
}

/** Bytes out of chunks. */
class Bytes {
  readonly #source: AsyncIterator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** So many bytes if they are at hand: saves a turn of the event loop for each small entry. */
  at(length: number): Buffer | undefined {
    if (this.#chunk.length - this.#at < length) return undefined
    this.#at += length
    return this.#chunk.subarray(this.#at - length, this.#at)
  }

  /** Exactly so many bytes; undefined where the source ends before the first. */
  async take(length: number, short = tooShort): Promise<Buffer | undefined> {
    while (this.#chunk.length - this.#at < length) {
      const rest = this.#chunk.subarray(this.#at)
      const next = await this.#source.next()
      if (next.done === true) {
        if (rest.length === 0) return undefined
        throw short()
      }
      this.#chunk = rest.length === 0 ? next.value : Buffer.concat([rest, next.value])
      this.#at = 0
    }
    return this.at(length)
  }

  /** At least one and at most so many bytes. */
  async some(most: number): Promise<Buffer> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#source.next()
      if (next.done === true) throw damaged('it ends too early')
      this.#chunk = next.value
      this.#at = 0
    }
    const end = Math.min(this.#chunk.length, this.#at + most)
    const some = this.#chunk.subarray(this.#at, end)
    this.#at = end
    return some
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.some(left)).length
  }

  /** To the source's end, where checksums of a compression are. */
  async drain(): Promise<void> {
    while ((await this.#source.next()).done !== true) continue
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }
}
