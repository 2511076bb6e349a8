import type { ImageRecord } from '../../src/contract/records.ts'
import { lxdArchitecture } from '../../src/core/architecture.ts'
import type { ImportedTarball } from '../../src/core/engine.ts'
import { KEPT_FILE, ROOTFS_FILE } from '../../src/core/kept-files.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import { dropTag, dropVolume, made } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/** An uploaded tarball becomes an image; the upload is kept for exports, and removed when there will be no image. */
export const imageImport: Handler<'image.import'> = {
  steps: [
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
    const { image, upload, aliases } = context.input
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

async function importUpload(context: Context<'image.import'>): Promise<ImportedTarball> {
  const { image, upload } = context.input
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
