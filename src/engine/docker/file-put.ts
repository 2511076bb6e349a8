/**
 * Writing files of containers by the engine's archive call. A tar says a file's size before its bytes, and what LXD's
 * client sends has none: a large file is said to be far larger than any, under another name beside its own, and the
 * archive ends with the bytes. The engine then tells of an early end, having kept all of them; a second archive gives
 * the file its name, mode, owner and time as a hard link, and takes the other name away.
 */
import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { badRequest, Failure, internal, isFailure, notFound, timedOut, tooLarge } from '../../core/failure.ts'
import type { FileAttributes, FilePlace, Files } from '../../core/files.ts'
import { chained, chunksOf } from './chunks.ts'
import type { Wire } from './engine-wire.ts'
import { refusal, says } from './errors.ts'
import { archiveOf, stat } from './files.ts'
import { unmistakableTar } from './plain-tar.ts'
import type { EngineAnswer } from './requests.ts'
import { keepAside, type Scratch } from './scratch.ts'
import { newEntry, TAR_END, tarHeader, tarPadding } from './tar-writer.ts'
import type { TarHeader, TarType } from './tar-reader.ts'

type FilePut = Pick<Files, 'putFile' | 'putDirectory' | 'putSymlink' | 'remove'>

/** What is shorter is sent in one call, bytes. */
const SMALL = 1024 * 1024
/** A sender that delivers so many bytes within so many milliseconds may write while the container is locked. */
const QUICK = 4 * 1024 * 1024
const QUICKLY = 400
/** Milliseconds it may then be silent. */
const SILENCE = 15_000
/** Something in the root: what is unpacked there has names from there on. */
const ROOT = '/.windlass'
/** No file has that many bytes. */
const ENDLESS = 2 ** 50

export function createFilePut(wire: Wire, read: Files['read']): FilePut {
  const putFile: FilePut['putFile'] = async (place, content, { append, ...attributes }, signal) => {
    const file = { place, attributes }
    const source = bytesOf(content)
    if (append === true) return putScratch(file, await keepAside(joined(await read(place, signal), source)), signal)
    const head = await headOf(source, SMALL)
    if (head.isWhole) return put(wire, place, wholeFile(file, head.chunks), signal)
    const more = await headOf(source, QUICK, performance.now() + QUICKLY)
    const chunks = [...head.chunks, ...more.chunks]
    if (!more.isLate) return pour(wire, file, promptly(chunks, source), signal)
    await putScratch(file, await keepAside(chained(chunks, source)), signal)
  }

  const putScratch = async (file: NewFile, opened: Scratch, signal?: AbortSignal): Promise<void> => {
    await using scratch = opened
    if (scratch.size > SMALL) await pour(wire, file, scratch.read(), signal)
    else await put(wire, file.place, wholeFile(file, (await headOf(scratch.read(), SMALL)).chunks), signal)
  }

  const putDirectory: FilePut['putDirectory'] = (place, attributes, signal) =>
    put(wire, place, [tarHeader(entryOf(place, 'directory', attributes)), TAR_END], signal)

  const putSymlink: FilePut['putSymlink'] = async (place, target, attributes, signal) => {
    const { container, path } = place
    const folder = posix.dirname(path)
    if ((await stat(wire, container, folder, signal)) === undefined) throw notFound(`There is no ${folder}`)
    // Unpacked in its own folder the engine would refuse a link that leaves it.
    const link = { ...entryOf(place, 'symlink', attributes), name: encode(path.slice(1)), linkname: encode(target) }
    await put(wire, { container, path: ROOT }, [tarHeader(link), TAR_END], signal)
  }

  const remove: FilePut['remove'] = async (place, isDirectory, signal) => {
    await unlink(wire, place, isDirectory, signal).catch((failure: unknown) => {
      if (!isFailure(failure, 'not-found')) throw failure
    })
    if ((await stat(wire, place.container, place.path, signal)) !== undefined)
      throw internal(`The engine has not removed ${place.path}`)
  }

  return { putFile, putDirectory, putSymlink, remove }
}

interface NewFile {
  place: FilePlace
  attributes: FileAttributes
}

async function pour(wire: Wire, file: NewFile, bytes: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
  const { place, attributes } = file
  const { container, path } = place
  const aside = { container, path: posix.join(posix.dirname(path), `.windlass-${randomUUID()}`) }
  const sent = { size: 0 }
  try {
    const answer = await send(wire, aside, endless(aside, bytes, sent), signal)
    if (!says(answer.words, 'unexpected eof')) throw refused(aside, answer)
    // From the root, so that both names are the engine's own words for the two files.
    const link = {
      ...entryOf(place, 'link', attributes),
      name: encode(path.slice(1)),
      linkname: encode(aside.path.slice(1)),
    }
    await send(
      wire,
      { container, path: ROOT },
      [tarHeader(link), goneEntry(encode(aside.path.slice(1))), TAR_END],
      signal,
    )
    const made = await stat(wire, container, path, signal)
    if (made?.size !== sent.size || made.mode !== attributes.mode)
      throw internal(`The engine has kept ${made?.size ?? 0} of ${sent.size} bytes of ${path}`)
  } catch (failure) {
    await unlink(wire, aside, false).catch(() => undefined)
    throw failure
  }
}

async function put(wire: Wire, place: FilePlace, tar: Iterable<Buffer>, signal?: AbortSignal): Promise<void> {
  const answer = await send(wire, place, tar, signal)
  if (answer.status >= 300) throw refused(place, answer)
}

/** A hard link to what is not there: the engine first removes what has its name, then fails. */
async function unlink(wire: Wire, place: FilePlace, isDirectory: boolean, signal?: AbortSignal): Promise<void> {
  const tar = [goneEntry(encode(posix.basename(place.path))), TAR_END]
  const answer = await send(wire, place, tar, signal, isDirectory)
  if (!says(answer.words, 'no such file')) throw refused(place, answer)
}

async function send(
  wire: Wire,
  { container, path }: FilePlace,
  tar: Iterable<Buffer> | AsyncIterable<Buffer>,
  ...[signal, mayReplaceDirectory = false]: [signal?: AbortSignal, mayReplaceDirectory?: boolean]
): Promise<EngineAnswer> {
  const query = { path: posix.dirname(path), noOverwriteDirNonDir: !mayReplaceDirectory }
  const file = unmistakableTar(Readable.from(tar, { objectMode: false }))
  const request = { doing: `writing ${path}`, method: 'PUT', path: archiveOf(container), query, file } as const
  return wire.ask({ ...request, signal, expect: [400, 403, 404, 409, 500] })
}

function refused({ path }: FilePlace, { status, words }: EngineAnswer): Failure {
  if (says(words, 'could not find the file')) return notFound(`There is no ${posix.dirname(path)}`)
  if (says(words, 'cannot overwrite directory')) return badRequest(`${path}: is a directory`)
  if (says(words, 'not a directory')) return badRequest(`${path}: not a directory`)
  if (says(words, 'resource busy')) return badRequest(`${path}: is a mount of its own and cannot be replaced`)
  if (says(words, 'no space left')) return tooLarge(`The engine has no space left for ${path}`)
  return refusal(`writing ${path}`, status, words)
}

function entryOf({ path }: FilePlace, type: TarType, attributes: FileAttributes): TarHeader {
  const { mode, uid, gid, modified } = attributes
  const name = encode(posix.basename(path))
  return { ...newEntry(name, 'file', 0), type, mode, uid, gid, mtime: Math.max(0, Math.floor(modified / 1000)) }
}

function goneEntry(name: string): Buffer {
  return tarHeader({ ...newEntry(name, 'file', 0), type: 'link', linkname: `.windlass-${randomUUID()}` })
}

/** Names in a tar are bytes, one a character. */
function encode(name: string): string {
  return Buffer.from(name).toString('latin1')
}

async function* joined(old: { content: Readable } | undefined, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // Without an encoding the chunks of a byte stream are Buffers.
  if (old !== undefined) yield* old.content as AsyncIterable<Buffer>
  yield* source
}

function* wholeFile({ place, attributes }: NewFile, chunks: readonly Buffer[]): Generator<Buffer> {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  yield Buffer.concat([
    tarHeader({ ...entryOf(place, 'file', attributes), size }),
    ...chunks,
    tarPadding(size),
    TAR_END,
  ])
}

async function* endless(
  place: FilePlace,
  bytes: AsyncIterable<Buffer>,
  sent: { size: number },
): AsyncGenerator<Buffer> {
  yield tarHeader({ ...entryOf(place, 'file', NOBODYS), size: ENDLESS })
  for await (const chunk of bytes) {
    sent.size += chunk.length
    yield chunk
  }
}

/** Until it is whole it is nobody's to read. */
const NOBODYS = { mode: 0o600, uid: 0, gid: 0, modified: 0 }

/** The content is left open where it fails: it may be a request that is still to be answered. */
export async function* bytesOf(content: Readable): AsyncGenerator<Buffer> {
  // A sender that leaves before its next byte is asked for must not end the process.
  content.on('error', () => undefined)
  try {
    yield* chunksOf(content)
  } catch (cause) {
    throw cause instanceof Failure ? cause : badRequest('The upload was broken off', { cause })
  }
}

interface Head {
  chunks: Buffer[]
  isWhole: boolean
  isLate: boolean
}

/** The first bytes: until there are enough, the end, or it is too late. */
async function headOf(source: AsyncGenerator<Buffer>, most: number, until = Number.POSITIVE_INFINITY): Promise<Head> {
  const chunks: Buffer[] = []
  for (let size = 0; size <= most;) {
    const next = await source.next()
    if (next.done === true) return { chunks, isWhole: true, isLate: false }
    chunks.push(next.value)
    size += next.value.length
    if (performance.now() > until) return { chunks, isWhole: false, isLate: true }
  }
  return { chunks, isWhole: false, isLate: false }
}

async function* promptly(chunks: readonly Buffer[], source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks
  for (;;) {
    const next = await within(source.next(), SILENCE)
    if (next.done === true) return
    yield next.value
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timedOut(`The upload has stopped for ${ms / 1000} s`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
