import type { ImageRecord } from '../../src/contract/records.ts'
import { notFound } from '../../src/core/failure.ts'
import { imageVolume } from '../../src/core/kept-files.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { brought, bringSteps, type Bringing } from '../bringing.ts'
import { releaseImage } from '../engine-images.ts'
import { dropTag, dropVolume } from '../images.ts'
import { pulledImage, recordOfPulled, type Pulled } from '../pulling.ts'
import type { Context, Handler } from '../steps.ts'

type Refreshing = Context<'image.refresh'>

/** Looks for an image again where it came from. What is new there becomes an image with the old one's aliases, and that one goes. */
export const imageRefresh: Handler<'image.refresh'> = {
  steps: [
    {
      name: 'look',
      run: async (context): Promise<Old> => {
        const { name, engineImage, tarball, source } = await load(context)
        return { name, engineImage, tarball, source }
      },
    },
    {
      name: 'pull',
      when: ({ input }) => input.from === undefined,
      run: async (context) => pulledImage(context, old(context).source, context.input.next.uuid),
      undo: async (context) => {
        await dropTag(context, imageTag(context.input.next.uuid))
        return undefined
      },
    },
    ...bringSteps(bringing),
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
        const { image, next, from } = context.input
        const { engineImage, tarball } = old(context)
        if ((await context.records.get('image', next.uuid)) === undefined) {
          await dropTag(context, imageTag(next.uuid))
          if (from !== undefined) await dropVolume(context, imageVolume(next.uuid))
        }
        if (!isNew(context)) return
        await releaseImage(context, imageTag(image), engineImage, image)
        if (tarball !== '') await dropVolume(context, tarball)
      },
    },
  ],
  finish: async (context) => ({
    changes: [],
    metadata: { refreshed: isNew(context) },
    project: context.input.next.project,
  }),
}

/** The image as it was. */
type Old = Pick<ImageRecord, 'name' | 'engineImage' | 'tarball' | 'source'>

const old = (context: Refreshing) => context.note('look') as Old // the step's own note

function bringing({ input: { next, from } }: Refreshing): Bringing | undefined {
  return from && { image: next, from }
}

/** The image as it is where it came from. */
function found(context: Refreshing): ImageRecord {
  const { next } = context.input
  const other = bringing(context)
  if (other !== undefined) return brought(context, other)
  const pulled = context.note('pull') as Pulled // the step's own note
  return { ...next, ...recordOfPulled(pulled) }
}

function isNew(context: Refreshing): boolean {
  return found(context).name !== old(context).name
}

/** Another image of the project may have come from there meanwhile: then only the aliases go over to it. */
async function replaced(context: Refreshing, now: ImageRecord): Promise<RecordChange[]> {
  const { uuid, rev, name, project, properties } = now
  // What somebody has changed of it since the refresh was asked for.
  const { profiles, public: isPublic, auto_update, expires_at, cached, last_used_at } = now
  const kept = { profiles, public: isPublic, auto_update, expires_at, cached, last_used_at }
  const record = { ...found(context), ...kept, ...(bringing(context) === undefined && { properties }) }
  const known = await context.records.find('image', project, record.name)
  const aliases = (await context.records.list('alias', project)).filter((alias) => alias.target === name)
  return [
    { change: 'remove', noun: 'image', uuid, rev },
    ...(known === undefined ? [{ change: 'put', noun: 'image', record } as const] : []),
    ...aliases.map((alias): RecordChange => ({
      change: 'put',
      noun: 'alias',
      record: { ...alias, target: record.name },
    })),
  ]
}

async function load(context: Refreshing): Promise<ImageRecord> {
  const image = await context.records.get('image', context.input.image)
  if (image === undefined) throw notFound('Image not found')
  return image
}
