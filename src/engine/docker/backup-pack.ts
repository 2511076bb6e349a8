/** An instance with its snapshots and volumes → a backup's tarball, kept in a volume. */
import type { Readable } from 'node:stream'
import type { InstancePortrait, Runs, SnapshotPortrait } from '../../contract/backup.ts'
import type { Backups, PackedPart } from '../../core/backups.ts'
import type { OwnLabels } from '../../core/container.ts'
import type { Images, Volumes } from '../../core/engine.ts'
import { notFound } from '../../core/failure.ts'
import { formatBackupIndex } from './backup-index.ts'
import { inBytes, INDEX, INSTANCE_FOLDER, rootOf, snapshotFolder, volumeOf } from './backup-layout.ts'
import { copied, keepTar } from './backup-writing.ts'
import { formatLxdMetadata } from './lxd-metadata.ts'
import { newEntry, TAR_END, tarFile, tarHeader } from './tar-writer.ts'

type Pack = Backups['pack']
type AnyPart = PackedPart<InstancePortrait> | PackedPart<SnapshotPortrait>

export interface BackupPackParts {
  inspect: Images['inspect']
  putFile: Volumes['putFile']
  readVolume: Volumes['read']
  /** All files of an image as a plain tar. */
  exportRoot(image: string, labels: OwnLabels, signal?: AbortSignal): Promise<Readable>
}

/** One packing under way. */
interface Turn {
  parts: BackupPackParts
  options: Parameters<Pack>[1]
  signal: AbortSignal | undefined
}

/** `pack` over a spool, the export of an image's files and the reading of volumes. */
export function createBackupPack(parts: BackupPackParts): Pack {
  return async (backup, options, signal) => {
    const turn: Turn = { parts, options, signal }
    const { instance, snapshots } = backup
    const described = snapshots.map(async (part) => ({ ...part.portrait, windlass: await ownOf(turn, part) }))
    const index = formatBackupIndex(
      { ...instance.portrait, windlass: await ownOf(turn, instance) },
      await Promise.all(described),
    )
    return keepTar(parts.putFile, backupTar(turn, index, [...snapshots, instance]), options, signal)
  }
}

async function ownOf(
  { parts, signal }: Turn,
  { engineImage, runs: { boot }, fingerprint, volumes, metadata }: AnyPart,
) {
  const image = await parts.inspect(engineImage, signal)
  if (image === undefined) throw notFound(`There is no image ${engineImage}`)
  const { command, entrypoint, environment, user, workdir, stopSignal } = image
  const runs: Runs = { boot, command, entrypoint, environment, user, workdir, stopSignal }
  const paths = volumes.map(({ path }) => path)
  return { image: fingerprint, runs, volumes: paths, ...(metadata !== undefined && { metadata }) }
}

async function* backupTar(turn: Turn, index: string, whole: AnyPart[]): AsyncGenerator<Buffer> {
  yield tarFile(INDEX, Buffer.from(index))
  for (const part of whole) {
    const isInstance = part === whole.at(-1)
    const folder = isInstance ? INSTANCE_FOLDER : snapshotFolder(part.portrait.name)
    turn.options.onProgress(isInstance ? 'Packing the instance' : `Packing snapshot ${part.portrait.name}`)
    yield tarHeader(newEntry(inBytes(folder), 'directory', 0))
    // LXD reads it there as well; of Windlass's own only the index counts.
    if (isInstance) yield tarFile(`${folder}/backup.yaml`, Buffer.from(index))
    yield tarFile(inBytes(`${folder}/metadata.yaml`), metadataOf(part))
    yield* templatesOf(part, folder)
    yield tarHeader(newEntry(inBytes(rootOf(folder)), 'directory', 0))
    yield* filesOf(turn, part, folder)
  }
  yield TAR_END
}

function* templatesOf({ metadata }: AnyPart, folder: string): Generator<Buffer> {
  const files = Object.entries(metadata?.files ?? {})
  if (files.length > 0) yield tarHeader(newEntry(inBytes(`${folder}/templates`), 'directory', 0))
  for (const [name, text] of files) yield tarFile(inBytes(`${folder}/templates/${name}`), Buffer.from(text))
}

async function* filesOf({ parts, options, signal }: Turn, part: AnyPart, folder: string): AsyncGenerator<Buffer> {
  const root = await parts.exportRoot(part.engineImage, options.labels, signal)
  yield* copied(root, rootOf(folder))
  for (const [at, { volume }] of part.volumes.entries()) {
    const files = await parts.readVolume(volume, { ...options.labels, role: 'helper' }, signal)
    yield* copied(files, volumeOf(folder, at))
  }
}

function metadataOf({ portrait, metadata }: AnyPart): Buffer {
  const { architecture, created_at: created, config } = portrait
  const properties = Object.entries(config ?? {}).filter(([key]) => key.startsWith('image.'))
  return Buffer.from(
    formatLxdMetadata({
      architecture: architecture ?? '',
      created: Date.parse(created ?? '') || 0,
      expires: 0,
      properties: Object.fromEntries(properties.map(([key, value]) => [key.slice('image.'.length), value])),
      templates: metadata?.templates ?? {},
    }),
  )
}
