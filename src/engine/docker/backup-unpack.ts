/** A backup's tarball → images and volumes. It is read twice: once to see whether it is whole and sound, once for the engine. */
import { Readable } from 'node:stream'
import type { Runs } from '../../contract/backup.ts'
import type { BackupContents, Backups, KeptTarball, UnpackedPart } from '../../core/backups.ts'
import type { Images, Volumes } from '../../core/engine.ts'
import { badRequest, notFound } from '../../core/failure.ts'
import { MAX_INDEX, parseBackupIndex } from './backup-index.ts'
import { INDEX, INSTANCE_FOLDER, rootOf, runsIn, snapshotFolder, volumeOf, type Run } from './backup-layout.ts'
import { decompressed } from './decompress.ts'
import { rootTar } from './root-filesystem.ts'
import { runsOfLxd } from './root-runs.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { inChunks } from './tar-writer.ts'
import { boundedTar, normalName, probe, readText, type Survey } from './tarball-format.ts'

export interface BackupUnpackParts {
  importTar: Images['importTar']
  writeVolume: Volumes['write']
  getFile: Volumes['getFile']
}

type Show = (text: string, percent: number) => void

/** `read`, `survey` and `unpack` over a spool and the plain making of images. */
export function createBackupUnpack(parts: BackupUnpackParts): Omit<Backups, 'pack'> {
  async function* open(kept: KeptTarball, show: Show, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const file = await parts.getFile(kept.volume, kept.file, kept.labels, signal)
    if (file === undefined) throw notFound(`The backup is gone from volume ${kept.volume}`)
    const onRead = (read: number): void => {
      const percent = Math.floor((100 * read) / Math.max(1, file.size))
      show(`Unpack: ${percent}%`, percent)
    }
    yield* decompressed(file.content, onRead, signal)
  }
  return {
    read: async (kept, signal) => {
      const entries = readTar(open(kept, inSilence, signal))
      const contents = await readIndex(entries)
      await entries.return(undefined)
      return contents
    },
    survey: async (kept, onProgress, signal) => {
      const entries = boundedTar(open(kept, onProgress, signal))
      const contents = await readIndex(entries)
      const probes = await surveyRoots(entries, rootsOf(contents))
      const runs = ({ windlass }: { windlass?: { runs: Runs } }, folder: string): Runs =>
        windlass?.runs ?? { ...UNSAID, ...runsOfLxd({ probes: probes.get(rootOf(folder)) ?? new Map() }, '') }
      return {
        instance: runs(contents.instance, INSTANCE_FOLDER),
        snapshots: contents.snapshots.map((one) => runs(one, snapshotFolder(one.name))),
      }
    },
    unpack: async (kept, { instance, snapshots }, onProgress, signal) => {
      const entries = boundedTar(open(kept, onProgress, signal))
      const contents = await readIndex(entries)
      const images = new Map<string, string>()
      const folders = new Map([[INSTANCE_FOLDER, instance]])
      for (const [at, part] of snapshots.entries())
        folders.set(snapshotFolder(contents.snapshots[at]?.name ?? ''), part)
      for await (const run of runsIn(entries, rootsOf(contents).map(inBytes))) {
        const root = fromBytes(run.root)
        for (const [folder, part] of folders) {
          if (root === rootOf(folder)) images.set(folder, await importRoot(parts, run, part, signal))
          const volume = part.volumes.find((_, at) => root === volumeOf(folder, at))
          if (volume !== undefined) await parts.writeVolume(volume, tarOf(run), part.image.labels, signal)
        }
      }
      return {
        instance: images.get(INSTANCE_FOLDER) ?? '',
        snapshots: contents.snapshots.map(({ name }) => images.get(snapshotFolder(name)) ?? ''),
      }
    },
  }
}

const inSilence = (): void => undefined

const UNSAID = { entrypoint: [], user: '', workdir: '', stopSignal: '' }

/** Directories before the index: LXD's is the first or the second entry, and nobody may have all be read for it. */
const MAX_BEFORE = 16

/** The first file there is; nothing but folders may come before it. */
async function readIndex(entries: AsyncGenerator<TarEntry>): Promise<BackupContents> {
  let before = 0
  for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
    const { value } = next
    if (value.type === 'directory' && ++before <= MAX_BEFORE) continue
    if (value.type !== 'file' || normalName(value.name) !== INDEX) break
    return parseBackupIndex(await readText(value, INDEX, MAX_INDEX))
  }
  await entries.return(undefined)
  throw badRequest('Backup is missing index.yaml: the upload is no backup of an instance')
}

/** Where files of this backup lie; a root file system of each part must be there. */
function rootsOf({ instance, snapshots }: BackupContents): string[] {
  const parts = [
    { folder: INSTANCE_FOLDER, own: instance.windlass },
    ...snapshots.map(({ name, windlass }) => ({ folder: snapshotFolder(name), own: windlass })),
  ]
  return parts.flatMap(({ folder, own }) => [
    rootOf(folder),
    ...(own?.volumes ?? []).map((_, at) => volumeOf(folder, at)),
  ])
}

/** Checks every name and every hard link; what is found about booting, by root. */
async function surveyRoots(entries: AsyncGenerator<TarEntry>, roots: string[]): Promise<Map<string, Survey['probes']>> {
  const found = new Map<string, Survey['probes']>()
  for await (const { root, entries: inside } of runsIn(entries, roots.map(inBytes))) {
    const probes: Survey['probes'] = new Map()
    found.set(fromBytes(root), probes)
    for await (const entry of inside) {
      const name = normalName(entry.name).slice(root.length)
      if (entry.type === 'link' && !`${normalName(entry.linkname)}/`.startsWith(root))
        throw badRequest(`The backup has a hard link that leads out of its root: ${JSON.stringify(name.slice(0, 200))}`)
      probe({ probes }, withinRoot(entry, root), name)
    }
  }
  const missing = roots.find((root) => root.endsWith('/rootfs/') && !found.has(root))
  if (missing !== undefined) throw badRequest(`The backup has no ${missing}`)
  return found
}

function withinRoot(entry: TarEntry, root: string): TarEntry {
  return entry.type === 'link' ? { ...entry, linkname: normalName(entry.linkname).slice(root.length) } : entry
}

function importRoot(parts: BackupUnpackParts, run: Run, { image }: UnpackedPart, signal?: AbortSignal) {
  const { labels, tag, runs } = image
  return parts.importTar(tarOf(run), { labels, tag, ...runs }, signal)
}

function tarOf({ root, entries }: Run): Readable {
  return Readable.from(inChunks(rootTar(entries, root)), { objectMode: false })
}

/** Names in a tar are bytes, kept as latin1. */
function inBytes(name: string): string {
  return Buffer.from(name).toString('latin1')
}

function fromBytes(name: string): string {
  return Buffer.from(name, 'latin1').toString()
}
