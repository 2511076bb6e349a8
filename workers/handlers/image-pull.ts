import { imageTag } from '../../src/core/own-tags.ts'
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
    const known = await context.records.find('image', image.project, pulled.fingerprint)
    if (known === undefined) return made({ ...image, ...recordOfPulled(pulled) }, aliases)
    if (known.uuid !== image.uuid) await dropTag(context, imageTag(image.uuid))
    return reused(known, aliases)
  },
}
