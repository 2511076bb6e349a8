/** An image → an LXD unified tarball, kept in a volume. */
import { Readable } from 'node:stream'
import type { OwnLabels } from '../../core/container.ts'
import type { ImageDetail, Images, Volumes } from '../../core/engine.ts'
import { notFound } from '../../core/failure.ts'
import { compressed } from './compress.ts'
import { formatLxdMetadata } from './lxd-metadata.ts'
import { underRoot } from './root-filesystem.ts'
import { readTar } from './tar-reader.ts'
import { inChunks, newEntry, TAR_END, tarFile, tarHeader } from './tar-writer.ts'

type Pack = Images['packTarball']
type PackOptions = Parameters<Pack>[1]

export interface PackParts {
  inspect: Images['inspect']
  putFile: Volumes['putFile']
  /** All files of an image as a plain tar. */
  exportRoot(image: string, labels: OwnLabels, signal?: AbortSignal): Promise<Readable>
}

/** `packTarball` over a spool and the export of an image's files. */
export function createTarballPack(parts: PackParts): Pack {
  return async (reference, options, signal) => {
    const image = await parts.inspect(reference, signal)
    if (image === undefined) throw notFound(`There is no image ${reference}`)
    const root = await parts.exportRoot(image.id, options.labels, signal)
    const tar = Readable.from(inChunks(unifiedTar(image, root, options)), { objectMode: false })
    const content = compressed(tar, options.compression)
    const { labels, volume, file } = options
    try {
      return await parts.putFile(volume, file, content, { labels, maxBytes: Number.MAX_SAFE_INTEGER }, signal)
    } finally {
      tar.destroy()
      root.destroy()
    }
  }
}

async function* unifiedTar(image: ImageDetail, root: Readable, { metadata }: PackOptions): AsyncGenerator<Buffer> {
  const { boot, templates: made, ...told } = metadata
  const runs = { boot, command: [...image.entrypoint, ...image.command], environment: image.environment }
  yield tarFile('metadata.yaml', Buffer.from(formatLxdMetadata({ ...told, templates: made.templates, runs })))
  if (Object.keys(made.files).length > 0) yield tarHeader(newEntry('templates', 'directory', 0))
  for (const [name, text] of Object.entries(made.files)) yield tarFile(`templates/${name}`, Buffer.from(text))
  // Without an encoding the chunks of a byte stream are Buffers.
  yield* underRoot(readTar(root as AsyncIterable<Buffer>), 'rootfs/')
  yield TAR_END
}
