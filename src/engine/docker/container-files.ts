/** Files of containers, by the engine's archive calls alone: these also work while a container is stopped. */
import { Readable } from 'node:stream'
import { badRequest, isFailure, notFound } from '../../core/failure.ts'
import type { FileEntry, FilePlace, Files } from '../../core/files.ts'
import type { Wire } from './engine-wire.ts'
import { says } from './errors.ts'
import { archiveOf, stat } from './files.ts'
import { createFilePut } from './file-put.ts'
import { openScratch } from './scratch.ts'
import { readTar, type TarEntry, type TarHeader } from './tar-reader.ts'

/** Milliseconds a reader may take for its next piece: until the end nobody can inspect or stop the container. */
const READ_IDLE = 30_000
/** So long a reader may hold the engine up in all, milliseconds; then the rest is kept aside for it. */
const PATIENCE = 3_000

export function createContainerFiles(wire: Wire): Files {
  const look: Files['look'] = async (place, signal) => {
    const tar = await openTar(wire, place, signal)
    if (tar === undefined) return undefined
    // Leaving the loop closes the source.
    for await (const entry of readTar(bytesOf(tar))) return toEntry(entry)
    // The engine packs no sockets.
    return { ...NOTHING, type: 'other' }
  }

  const resolve: Files['resolve'] = async ({ container, path }, signal) => {
    const found = await stat(wire, container, path, signal)
    return found?.type === 'symlink' ? found.linkTarget : path
  }

  const read: Files['read'] = async (place, signal) => {
    const tar = await openTar(wire, place, signal)
    if (tar === undefined) return undefined
    const entries = readTar(bytesOf(tar))
    const first = await entries.next()
    if (first.done === true) return undefined
    const content = Readable.from(unlocking(contentOf(entries, first.value)), { objectMode: false })
    // One that is dropped before its first byte never starts what would close the tar.
    content.once('close', () => tar.destroy())
    return { entry: toEntry(first.value), content }
  }

  const list: Files['list'] = async (place, signal) => {
    const tar = await openTar(wire, place, signal)
    if (tar === undefined) throw notFound(`There is no ${place.path}`)
    return namesIn(readTar(bytesOf(tar)))
  }

  return { look, resolve, read, list, ...createFilePut(wire, read) }
}

/** A tar of what is at the path; undefined where there is nothing. */
async function openTar(wire: Wire, place: FilePlace, signal?: AbortSignal): Promise<Readable | undefined> {
  const { container, path } = place
  const request = { doing: `reading ${path}`, method: 'GET', path: archiveOf(container), query: { path } } as const
  try {
    return await wire.stream({ ...request, signal }, Math.min(READ_IDLE, wire.timeouts.idle))
  } catch (failure) {
    if (isFailure(failure, 'not-found') && says(failure.message, 'could not find the file')) return undefined
    throw toPathFailure(failure, path)
  }
}

const NOTHING = { size: 0, mode: 0, uid: 0, gid: 0, modified: 0, target: '' }

const PATH_FAULTS = ['not a directory', 'too many levels of symbolic links', 'too many links', 'file name too long']

/** What is wrong with a path is the asker's mistake; the engine's own words name files of its host. */
function toPathFailure(failure: unknown, path: string): unknown {
  if (!isFailure(failure)) return failure
  const fault = PATH_FAULTS.find((words) => says(failure.message, words))
  return fault === undefined ? failure : badRequest(`${path}: ${fault}`, { cause: failure })
}

function toEntry({ type, size, mode, uid, gid, mtime, linkname }: TarHeader): FileEntry {
  const kind = type === 'file' || type === 'directory' || type === 'symlink' ? type : 'other'
  const target = kind === 'symlink' ? decode(linkname) : ''
  return { type: kind, size: kind === 'symlink' ? 0 : size, mode, uid, gid, modified: mtime * 1000, target }
}

/** Names in a tar are bytes, one a character. */
function decode(name: string): string {
  return Buffer.from(name, 'latin1').toString()
}

async function namesIn(entries: AsyncGenerator<TarEntry>): Promise<string[]> {
  const names: string[] = []
  let root: string | undefined
  for await (const { name } of entries) {
    const path = name.replace(/\/$/, '')
    if (root === undefined) root = `${path}/`
    else if (!path.includes('/', root.length)) names.push(decode(path.slice(root.length)))
  }
  return names
}

async function* contentOf(entries: AsyncGenerator<TarEntry>, first: TarEntry): AsyncGenerator<Buffer> {
  try {
    yield* first.body()
  } finally {
    await entries.return(undefined)
  }
}

/** Passes on what is taken quickly. A slow reader must not hold the container's lock: the rest is kept aside for it. */
async function* unlocking(source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for (let waited = 0; waited < PATIENCE;) {
    const next = await source.next()
    if (next.done === true) return
    const since = performance.now()
    yield next.value
    waited += performance.now() - since
  }
  await using scratch = await openScratch()
  for await (const chunk of source) await scratch.add(chunk)
  yield* scratch.read()
}

/** Without an encoding the chunks of a byte stream are Buffers. */
function bytesOf(stream: Readable): AsyncIterable<Buffer> {
  return stream as AsyncIterable<Buffer>
}
