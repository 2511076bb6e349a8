import { notFound } from '../../src/core/failure.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import { releaseImage } from '../engine-images.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/** Forgets the image and its aliases. What was made from it keeps it alive in the engine. */
export const imageDelete: Handler<'image.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const image = await load(context)
        await releaseImage(context, imageTag(image.uuid), image.engineImage, image.uuid)
        if (image.tarball !== '') await dropVolume(context, image.tarball)
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev, name, project } = await load(context)
    const aliases = (await context.records.list('alias', project)).filter((alias) => alias.target === name)
    return {
      project,
      changes: [
        { change: 'remove', noun: 'image', uuid, rev },
        ...aliases.map((alias): RecordChange => ({
          change: 'remove',
          noun: 'alias',
          uuid: alias.uuid,
          rev: alias.rev,
        })),
      ],
    }
  },
}

async function load(context: Context<'image.delete'>) {
  const image = await context.records.get('image', context.input.image)
  if (image === undefined) throw notFound('Image not found')
  return image
}
