/** Reading files out of tars, wherever these come from. */
import { Readable } from 'node:stream'
import { notFound } from '../../core/failure.ts'
import type { FileEntry, FilePlace, Files } from '../../core/files.ts'
import { consumed } from './chunks.ts'
import { readTar, type TarEntry, type TarHeader } from './tar-reader.ts'
import { unlocking } from './unlocking.ts'

/** A tar of what is at a path; undefined where there is nothing. An empty one is of what cannot be packed: a socket. */
export type OpenTar = (place: FilePlace, signal?: AbortSignal) => Promise<Readable | undefined>

const SOCKET: FileEntry = { type: 'other', size: 0, mode: 0, uid: 0, gid: 0, modified: 0, target: '' }

export interface FileReads extends Pick<Files, 'look' | 'read' | 'list'> {
  /** What has a name in a folder, as the folder's own tar tells it. */
  lookIn(folder: FilePlace, name: string, signal?: AbortSignal): Promise<FileEntry | undefined>
}

export function createFileReads(open: OpenTar): FileReads {
  const look: Files['look'] = async (place, signal) => {
    const tar = await open(place, signal)
    if (tar === undefined) return undefined
    // Leaving the loop closes the source.
    for await (const entry of readTar(consumed(tar))) return toEntry(entry)
    return SOCKET
  }

  const read: Files['read'] = async (place, signal) => {
    const tar = await open(place, signal)
    if (tar === undefined) return undefined
    const entries = readTar(consumed(tar))
    const first = await entries.next()
    if (first.done === true) return { entry: SOCKET, content: Readable.from([], { objectMode: false }) }
    const content = Readable.from(unlocking(contentOf(entries, first.value)), { objectMode: false })
    // One that is dropped before its first byte never starts what would close the tar.
    content.once('close', () => tar.destroy())
    return { entry: toEntry(first.value), content }
  }

  const list: Files['list'] = async (place, signal) => {
    const tar = await open(place, signal)
    if (tar === undefined) throw notFound(`There is no ${place.path}`)
    return namesIn(readTar(consumed(tar)))
  }

  const lookIn: FileReads['lookIn'] = async (folder, name, signal) => {
    const tar = await open(folder, signal)
    if (tar === undefined) return undefined
    let root: string | undefined
    for await (const entry of readTar(consumed(tar))) {
      const path = entry.name.replace(/\/$/, '')
      root ??= `${path}/`
      if (decode(path) === decode(root) + name) return toEntry(entry)
    }
    return undefined
  }

  return { look, lookIn, read, list }
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
