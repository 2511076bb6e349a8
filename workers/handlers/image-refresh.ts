import type { ImageRecord } from '../../src/contract/records.ts'
import { notFound } from '../../src/core/failure.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { releaseImage } from '../engine-images.ts'
import { dropTag, dropVolume } from '../images.ts'
import { pulledImage, recordOfPulled, type Pulled } from '../pulling.ts'
import type { Context, Handler } from '../steps.ts'

type Refreshing = Context<'image.refresh'>

/** Pulls an image again. What the registry has new becomes an image with the old one's aliases, and that one goes. */
export const imageRefresh: Handler<'image.refresh'> = {
  steps: [
    {
      name: 'pull',
      run: async (context) => {
        const image = await load(context)
        const pulled = await pulledImage(context, image.source, context.input.next.uuid)
        return { ...pulled, before: image.name, old: image.engineImage, tarball: image.tarball } satisfies Found
      },
      undo: async (context) => {
        await dropTag(context, imageTag(context.input.next.uuid))
        return undefined
      },
    },
    {
      name: 'record',
      when: (context) => isNew(context),
      run: async (context) => {
        const image = await context.records.get('image', context.input.image)
        // An attempt that died right behind the point of no return.
        if (image !== undefined) await context.forward(await replaced(context, image))
      },
      lasts: () => true,
    },
    {
      name: 'cleanup',
      run: async (context) => {
        const { image, next } = context.input
        const { old, tarball } = found(context)
        if ((await context.records.get('image', next.uuid)) === undefined) await dropTag(context, imageTag(next.uuid))
        if (!isNew(context)) return
        await releaseImage(context, imageTag(image), old, image)
        if (tarball !== '') await dropVolume(context, tarball)
      },
    },
  ],
  finish: async (context) => ({ changes: [], metadata: { refreshed: isNew(context) } }),
}

interface Found extends Pulled {
  before: string
  old: string
  tarball: string
}

const found = (context: Refreshing) => context.note('pull') as Found // the step's own note

function isNew(context: Refreshing): boolean {
  const { fingerprint, before } = found(context)
  return fingerprint !== before
}

/** Another image of the project may have come from there meanwhile: then only the aliases go over to it. */
async function replaced(context: Refreshing, now: ImageRecord): Promise<RecordChange[]> {
  const { fingerprint } = found(context)
  const { uuid, rev, name, project } = now
  const known = await context.records.find('image', project, fingerprint)
  const record: ImageRecord = { ...context.input.next, ...recordOfPulled(found(context)) }
  const aliases = (await context.records.list('alias', project)).filter((alias) => alias.target === name)
  return [
    { change: 'remove', noun: 'image', uuid, rev },
    ...(known === undefined ? [{ change: 'put', noun: 'image', record } as const] : []),
    ...aliases.map((alias): RecordChange => ({
      change: 'put',
      noun: 'alias',
      record: { ...alias, target: fingerprint },
    })),
  ]
}

async function load(context: Refreshing): Promise<ImageRecord> {
  const image = await context.records.get('image', context.input.image)
  if (image === undefined) throw notFound('Image not found')
  return image
}
