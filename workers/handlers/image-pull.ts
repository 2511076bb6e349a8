import { imageTag } from '../../src/core/own-tags.ts'
import { already } from '../bringing.ts'
import { dropTag, made, reused } from '../images.ts'
import { pulledImage, recordOfPulled, type Pulled } from '../pulling.ts'
import type { Handler } from '../steps.ts'

/** A registry's image becomes one of the project. One that the project has already is used as it is, as LXD does. */
export const imagePull: Handler<'image.pull'> = {
  steps: [
    {
      name: 'pull',
      run: async (context) => pulledImage(context, context.input.reference, context.input.image.uuid),
      undo: async (context) => {
        await dropTag(context, imageTag(context.input.image.uuid))
        return undefined
      },
    },
  ],
  finish: async (context) => {
    const { image, aliases } = context.input
    const pulled = context.note('pull') as Pulled // the step's own note
    const record = { ...image, ...recordOfPulled(pulled) }
    const known = await already(context, record, image.uuid)
    return known === undefined ? made(record, aliases) : reused(known, image, aliases)
  },
}
