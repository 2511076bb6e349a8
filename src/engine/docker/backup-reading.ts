/** What the tarballs of all backups have alike: how they are opened, what they say of themselves, and how they are looked through. */
import { Readable } from 'node:stream'
import type { KeptTarball } from '../../core/backups.ts'
import type { Volumes } from '../../core/engine.ts'
import { badRequest, notFound } from '../../core/failure.ts'
import { MAX_INDEX } from './backup-index.ts'
import { fromBytes, inBytes, INDEX, runsIn, type Run } from './backup-layout.ts'
import { decompressed } from './decompress.ts'
import { rootTar } from './root-filesystem.ts'
import type { TarEntry } from './tar-reader.ts'
import { inChunks } from './tar-writer.ts'
import { boundedTar, normalName, readText } from './tarball-format.ts'

export type Show = (text: string, percent: number) => void

export const inSilence: Show = () => undefined

/** A kept tarball that is to be read, and whoever hears how far that is. */
export interface Opening {
  getFile: Volumes['getFile']
  kept: KeptTarball
  show: Show
  signal: AbortSignal | undefined
}

/** Reads a backup's index, then whatever `use` wants of the entries behind it, and lets go of it however that ends. */
export async function readBackup<Contents, T>(
  opening: Opening,
  parse: (index: string) => Contents,
  use: (contents: Contents, entries: AsyncGenerator<TarEntry>) => Promise<T> | T,
): Promise<T> {
  const entries = boundedTar(openKept(opening))
  try {
    return await use(parse(await readIndex(entries)), entries)
  } finally {
    await entries.return(undefined)
  }
}

async function* openKept({ getFile, kept, show, signal }: Opening): AsyncGenerator<Buffer> {
  const file = await getFile(kept.volume, kept.file, kept.labels, signal)
  if (file === undefined) throw notFound(`The backup is gone from volume ${kept.volume}`)
  const onRead = (read: number): void => {
    const percent = Math.floor((100 * read) / Math.max(1, file.size))
    show(`Unpack: ${percent}%`, percent)
  }
  yield* decompressed(file.content, onRead, signal)
}

/** Directories before the index: LXD's is the first or the second entry, and nobody may have all be read for it. */
const MAX_BEFORE = 16

/** The text of the first file there is, which must be the index; nothing but folders may come before it. */
async function readIndex(entries: AsyncGenerator<TarEntry>): Promise<string> {
  let before = 0
  for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
    const { value } = next
    if (value.type === 'directory' && ++before <= MAX_BEFORE) continue
    if (value.type !== 'file' || normalName(value.name) !== INDEX) break
    return readText(value, INDEX, MAX_INDEX)
  }
  throw badRequest('Backup is missing index.yaml: the upload is no backup')
}

/** Checks every name and every hard link below these roots; which of them are there. `onEntry` gets names below their root. */
export async function surveyRoots(
  entries: AsyncGenerator<TarEntry>,
  roots: string[],
  onEntry: (root: string, entry: TarEntry, name: string) => void = () => undefined,
): Promise<Set<string>> {
  const found = new Set<string>()
  for await (const { root, entries: inside } of runsIn(entries, roots.map(inBytes))) {
    const told = fromBytes(root)
    found.add(told)
    for await (const entry of inside) {
      const name = normalName(entry.name).slice(root.length)
      if (entry.type === 'link' && !`${normalName(entry.linkname)}/`.startsWith(root))
        throw badRequest(`The backup has a hard link that leads out of its root: ${JSON.stringify(name.slice(0, 200))}`)
      onEntry(told, withinRoot(entry, root), name)
    }
  }
  return found
}

/** Bad-request for a backup that lacks one of these. */
export function requireRoots(found: ReadonlySet<string>, needed: string[]): void {
  const missing = needed.find((root) => !found.has(root))
  if (missing !== undefined) throw badRequest(`The backup has no ${missing}`)
}

function withinRoot(entry: TarEntry, root: string): TarEntry {
  return entry.type === 'link' ? { ...entry, linkname: normalName(entry.linkname).slice(root.length) } : entry
}

/** What lies below a root as a tar of its own. */
export function tarOf({ root, entries }: Run): Readable {
  return Readable.from(inChunks(rootTar(entries, root)), { objectMode: false })
}
