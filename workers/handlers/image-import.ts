import type { ImageRecord } from '../../src/contract/records.ts'
import { lxdArchitecture } from '../../src/core/architecture.ts'
import type { ImportedTarball } from '../../src/core/engine.ts'
import { KEPT_FILE, ROOTFS_FILE } from '../../src/core/kept-files.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import { fetchImage, type Fetched } from '../fetching.ts'
import { dropTag, dropVolume, made } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/** An uploaded tarball becomes an image; the upload is kept for exports, and removed when there will be no image. */
export const imageImport: Handler<'image.import'> = {
  steps: [
    {
      name: 'fetch',
      when: ({ input }) => input.from !== undefined,
      run: fetchImage,
      undo: async (context) => {
        await dropVolume(context, context.input.upload)
        return undefined
      },
    },
    {
      name: 'import',
      run: importUpload,
      undo: async (context) => {
        await dropTag(context, imageTag(context.input.image.uuid))
        return (await dropVolume(context, context.input.upload)) ? 'Removed the upload' : undefined
      },
    },
  ],
  finish: async (context) => {
    const { upload, aliases } = context.input
    const image = imageOf(context)
    const imported = context.note('import') as ImportedTarball // the step's own note
    const record: ImageRecord = {
      ...image,
      engineImage: imported.id,
      boot: imported.boot,
      architecture: lxdArchitecture(imported.architecture),
      tarball: upload,
      properties: { ...imported.properties, ...image.properties },
      ...(imported.metadata !== undefined && { metadata: imported.metadata }),
    }
    return made(record, aliases)
  },
}

/** What was uploaded, or what another server has told. */
function imageOf(context: Context<'image.import'>): ImageRecord {
  const fetched = (context.note('fetch') ?? {}) as Partial<Fetched> // the step's own note
  const { image } = context.input
  return { ...image, ...fetched, properties: { ...fetched.properties, ...image.properties } }
}

async function importUpload(context: Context<'image.import'>): Promise<ImportedTarball> {
  const { upload } = context.input
  const image = imageOf(context)
  const { uuid, project } = image
  const kept = {
    volume: upload,
    file: KEPT_FILE,
    ...(image.rootfs !== undefined && { rootfs: ROOTFS_FILE }),
    labels: context.labels({ role: 'helper', uuid, project }),
  }
  const labels = context.labels({ role: 'image', uuid, project, origin: image })
  const onProgress = (text: string, percent: number): void => context.progress(text, percent)
  return context.engine.images.importTarball(kept, { labels, tag: imageTag(uuid), onProgress }, context.signal)
}
