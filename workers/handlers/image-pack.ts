import type { ImageRecord } from '../../src/contract/records.ts'
import { notFound } from '../../src/core/failure.ts'
import { imageVolume } from '../../src/core/kept-files.ts'
import { dropVolume, packImage } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/** An image that was pulled has no tarball; its first export makes one. The fingerprint stays the registry's digest. */
export const imagePack: Handler<'image.pack'> = {
  steps: [
    {
      name: 'pack',
      run: async (context) => {
        const image = await load(context)
        // Another export has made it since this one was asked for, and it may be on its way to somebody.
        if (image.tarball === '') await packImage(context, image, 'gzip')
      },
      undo: async (context) => {
        if ((await load(context)).tarball !== '') return undefined
        const removed = await dropVolume(context, imageVolume(context.input.image))
        return removed ? 'Removed the new tarball' : undefined
      },
    },
  ],
  finish: async (context) => {
    const image = await load(context)
    const record: ImageRecord = { ...image, tarball: imageVolume(image.uuid) }
    return { changes: [{ change: 'put', noun: 'image', record }] }
  },
}

async function load(context: Context<'image.pack'>): Promise<ImageRecord> {
  const image = await context.records.get('image', context.input.image)
  if (image === undefined) throw notFound('Image not found')
  return image
}
