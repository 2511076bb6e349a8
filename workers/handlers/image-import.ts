import { brought, bringSteps, already } from '../bringing.ts'
import { made, reused } from '../images.ts'
import type { Handler } from '../steps.ts'

/**
 * An uploaded tarball, or an image of another server, becomes one of the project; its files are kept for exports, and
 * removed when there will be no image. One of another server that the project has already is used as it is, as LXD does.
 */
export const imageImport: Handler<'image.import'> = {
  steps: bringSteps(({ input }) => input),
  finish: async (context) => {
    const { image, aliases } = context.input
    const record = brought(context, context.input)
    const known = context.input.from && (await already(context, record, image.uuid))
    const outcome = known === undefined ? made(record, aliases) : reused(known, image, aliases)
    const secret = context.operation.metadata?.['secret']
    // Who has sent it waits by this for the end.
    return secret === undefined ? outcome : { ...outcome, metadata: { ...outcome.metadata, secret } }
  },
}
