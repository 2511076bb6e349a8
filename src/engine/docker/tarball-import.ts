/** An uploaded tarball → an image. It is read twice: once to see what it is and whether it is whole, once for the engine. */
import { Readable } from 'node:stream'
import type { Boot } from '../../contract/records.ts'
import type { Images, ImportedTarball, Volumes } from '../../core/engine.ts'
import { badRequest, internal, notFound } from '../../core/failure.ts'
import { decompressed } from './decompress.ts'
import { checkMetadata } from '../../core/guest.ts'
import { parseLxdMetadata } from './lxd-metadata.ts'
import { rootTar } from './root-filesystem.ts'
import { runsOfLxd, runsOfRootfs, type RootRuns } from './root-runs.ts'
import { ownConfig, savedImageOf, savedTar, type SavedImage } from './saved-image.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { inChunks } from './tar-writer.ts'
import { bootOf, hasShell, normalName, readText, surveyTarball, type Survey } from './tarball-format.ts'

type Import = Images['importTarball']
export type ImportImages = Pick<Images, 'find' | 'inspect' | 'importTar' | 'load' | 'tag'>

const MAX_CONFIG = 4 * 1024 * 1024

/** One import under way. */
interface Turn {
  images: ImportImages
  options: Parameters<Import>[1]
  signal: AbortSignal | undefined
  /** A kept file's bytes unpacked, from its beginning; nothing is opened before they are asked for. */
  open(file: string, shown: { from: number; to: number }): AsyncGenerator<Buffer>
  /** The file that holds the root file system, and where in it. */
  tree: { file: string; root: string }
}

/** `importTarball` over a spool and the plain making of images. */
export function createTarballImport(images: ImportImages, volumes: Pick<Volumes, 'getFile'>): Import {
  return async (kept, options, signal) => {
    const open: Turn['open'] = async function* (name, { from, to }) {
      const file = await volumes.getFile(kept.volume, name, kept.labels, signal)
      if (file === undefined) throw notFound(`The uploaded tarball is gone from volume ${kept.volume}`)
      const onRead = (read: number): void => {
        const percent = Math.floor(from + ((to - from) * read) / Math.max(1, file.size))
        options.onProgress(`Unpack: ${percent}%`, percent)
      }
      yield* decompressed(file.content, onRead, signal)
    }
    const turn = { images, options, signal, open, tree: { file: kept.file, root: '' } }
    const survey = await surveyTarball(open(kept.file, { from: 0, to: 50 }))
    if (kept.rootfs !== undefined) return importSplit({ ...turn, tree: { file: kept.rootfs, root: '' } }, survey)
    if (survey.metadata !== undefined && survey.hasRootfs) {
      const unified = { ...turn, tree: { file: kept.file, root: 'rootfs/' } }
      return importLxd(unified, survey, { ...survey, metadata: survey.metadata })
    }
    const saved = savedImageOf(survey)
    if (saved !== undefined) return importSaved(turn, saved)
    if (survey.metadata !== undefined && !hasShell(survey, '') && bootOf(survey, '') === undefined)
      throw badRequest(
        'The tarball has a metadata.yaml and no rootfs/: import it together with the file of its root file system',
      )
    return importRootfs(turn, survey)
  }
}

/** What one file says of the root file system in the other. */
async function importSplit(turn: Turn, about: Survey): Promise<ImportedTarball> {
  const { metadata } = about
  if (metadata === undefined) throw badRequest('Metadata tarball is missing metadata.yaml')
  const survey = await surveyTarball(turn.open(turn.tree.file, { from: 0, to: 50 }))
  return importLxd(turn, survey, { ...about, metadata })
}

async function importLxd(
  turn: Turn,
  survey: Survey,
  about: Pick<Survey, 'templates'> & { metadata: string },
): Promise<ImportedTarball> {
  const metadata = parseLxdMetadata(about.metadata)
  const kept = { ...metadata.told, files: Object.fromEntries(about.templates) }
  checkMetadata(kept)
  const image = await importTree(turn, metadata.runs ?? runsOfLxd(survey, turn.tree.root))
  const architecture = metadata.architecture || image.architecture
  return { ...image, format: 'lxd', properties: kept.properties, architecture, metadata: kept }
}

async function importRootfs(turn: Turn, survey: Survey): Promise<ImportedTarball> {
  return { ...(await importTree(turn, runsOfRootfs(survey, ''))), format: 'rootfs', properties: {} }
}

async function importTree(turn: Turn, runs: RootRuns) {
  const { labels, tag } = turn.options
  const bytes = turn.open(turn.tree.file, { from: 50, to: 100 })
  const tar = Readable.from(inChunks(rootTar(readTar(bytes), turn.tree.root)), { objectMode: false })
  const { boot, command, environment } = runs
  const id = await turn.images.importTar(tar, { labels, tag, command, environment }, turn.signal)
  return describe(turn, id, boot)
}

async function importSaved(turn: Turn, saved: SavedImage): Promise<ImportedTarball> {
  const { labels, tag } = turn.options
  const config = ownConfig(await configOf(turn, saved), labels)
  const { uuid, role, operation } = labels
  const [made] = await turn.images.find({ uuid, role, operation }, turn.signal)
  const id = made?.id ?? (await turn.images.load(archive(turn, saved, config.json), turn.signal))
  await turn.images.tag(id, tag, turn.signal)
  return { ...(await describe(turn, id, 'application')), format: 'docker', properties: {} }
}

function archive(turn: Turn, saved: SavedImage, config: string): Readable {
  const entries = readTar(turn.open(turn.tree.file, { from: 50, to: 100 }))
  return Readable.from(inChunks(savedTar(entries, saved, config)), { objectMode: false })
}

async function configOf(turn: Turn, saved: SavedImage): Promise<string> {
  for await (const entry of readTar(turn.open(turn.tree.file, { from: 50, to: 50 }))) {
    if (isConfig(entry, saved)) return readText(entry, saved.config, MAX_CONFIG)
  }
  throw internal(`The tarball no longer has its ${saved.config}`)
}

function isConfig(entry: TarEntry, saved: SavedImage): boolean {
  return entry.type === 'file' && normalName(entry.name) === saved.config
}

async function describe({ images, signal }: Turn, id: string, boot: Boot) {
  const image = await images.inspect(id, signal)
  if (image === undefined) throw internal(`The engine has no image ${id} right after its import`)
  return { id, boot, architecture: image.architecture, size: image.size }
}
