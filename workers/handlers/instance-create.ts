import type { ImageRecord, InstanceRecord } from '../../src/contract/records.ts'
import type { ImageDetail } from '../../src/core/engine.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import {
  finalName,
  foreseeSpec,
  imageOf,
  makeContainer,
  startContainer,
  seenContainer,
  unmakeContainer,
} from '../containers.ts'
import { brought, bringSteps, already, type Bringing } from '../bringing.ts'
import { notFound } from '../../src/core/failure.ts'
import { prepared } from '../../src/core/guest.ts'
import { madeFrom } from '../../src/core/instance-image.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import { prepareGuest } from '../guest.ts'
import { dropTag } from '../images.ts'
import { pulledImage, recordOfPulled, type Pulled } from '../pulling.ts'
import { observe, type Context, type Handler } from '../steps.ts'
import { lackedPaths, makeVolumes, unmakeVolumes } from '../volumes.ts'

type Creating = Context<'instance.create'>

/** A new instance from an image, a registry reference, an image of another server or nothing; stopped, or started when asked. */
export const instanceCreate: Handler<'instance.create'> = {
  steps: [
    {
      name: 'pull',
      when: ({ input }) => input.source.type === 'registry',
      run: async (context) => {
        const { source } = context.input
        return source.type === 'registry' ? pulledImage(context, source.reference, source.image.uuid) : undefined
      },
      undo: async (context) => {
        const { source } = context.input
        if (source.type === 'registry') await dropTag(context, imageTag(source.image.uuid))
        return undefined
      },
    },
    ...bringSteps(bringing),
    {
      name: 'look',
      run: async (context): Promise<Seen> => {
        foreseeSpec(context, context.input.draft)
        const image = imageFor(context)
        const own = image.then(({ volumes }) => volumes)
        const lacked = await lackedPaths(context, context.input.draft, own)
        const { id, volumes } = await image
        return { engineImage: id, paths: [...volumes, ...lacked] }
      },
      lasts: (found) => (found as Seen).paths.length === 0, // the step's own note
    },
    {
      name: 'volumes',
      when: (context) => seen(context).paths.length > 0,
      run: (context) => makeVolumes(context, owner(context), seen(context).paths),
      undo: (context) => unmakeVolumes(context, owner(context)),
    },
    {
      name: 'container',
      run: async (context) => {
        const image = await imageOf(context, seen(context).engineImage)
        const next = become(context, image.id)
        const fresh = next.volumes.map(({ path }) => path)
        const container = await makeContainer(context, next, image, fresh)
        await context.engine.containers.rename(container, finalName(context.input.draft), context.signal)
        return { container }
      },
      undo: unmakeContainer,
    },
    {
      name: 'start',
      when: ({ input }) => input.start,
      run: async (context) => {
        const { container } = made(context)
        await prepareGuest(context, become(context, seen(context).engineImage), container)
        await startContainer(context, container)
      },
    },
  ],
  finish: async (context) => {
    const { container } = made(context)
    const next = become(context, seen(context).engineImage)
    const record: InstanceRecord = {
      ...(context.input.start ? prepared(next) : next),
      container,
      ...(context.input.start && {
        power: 'running' as const,
        last_used_at: new Date(context.clock.now()).toISOString(),
      }),
    }
    const detail = await seenContainer(context, record)
    return {
      changes: [{ change: 'put', noun: 'instance', record }, ...(await imageRecord(context))],
      observed: [observe(context.engine.member, detail)],
      context: { type: 'container', 'storage-pool': 'default' },
      ...(context.input.start && { also: ['instance-started'] }),
    }
  },
}

function owner({ input }: Creating) {
  return { role: 'volume', uuid: input.draft.uuid, project: input.draft.project } as const
}

/** What the step `look` found: the image, and where the instance needs volumes. */
interface Seen {
  engineImage: string
  paths: string[]
}

const seen = (context: Creating) => context.note('look') as Seen // the step's own note

const made = (context: Creating) => context.note('container') as { container: string } // the step's own note

function bringing({ input: { source } }: Creating): Bringing | undefined {
  return source.type === 'server' ? source : undefined
}

/** The draft with what the steps before have decided. */
function become(context: Creating, engineImage: string): InstanceRecord {
  const volumes = (context.note('volumes') ?? []) as InstanceRecord['volumes'] // the step's own note
  const pulled = context.note('pull') as Pulled | undefined // the step's own note
  const { draft } = context.input
  const other = bringing(context)
  if (other !== undefined) return { ...madeFrom(draft, brought(context, other)), volumes, engineImage }
  if (pulled === undefined) return { ...draft, volumes, engineImage }
  const config = { ...draft.config, 'volatile.base_image': pulled.fingerprint }
  return { ...draft, volumes, engineImage, image: pulled.fingerprint, architecture: pulled.architecture, config }
}

async function imageFor(context: Creating): Promise<ImageDetail> {
  const { source } = context.input
  const pulled = context.note('pull') as Pulled | undefined // the step's own note
  if (pulled !== undefined) return imageOf(context, pulled.engineImage)
  if (source.type === 'server') return imageOf(context, brought(context, source).engineImage)
  if (source.type === 'image') return imageOf(context, (await sourceImage(context, source.image)).engineImage)
  return imageOf(context, await context.engine.images.empty(context.signal))
}

async function sourceImage(context: Creating, uuid: string): Promise<ImageRecord> {
  const image = await context.records.get('image', uuid)
  if (image === undefined) throw notFound('Image not found')
  return image
}

/** What was pulled or brought becomes a cached image of the project, unless it has it already. */
async function imageRecord(context: Creating): Promise<RecordChange[]> {
  const { source } = context.input
  if (source.type !== 'registry' && source.type !== 'server') return []
  const record =
    source.type === 'server'
      ? brought(context, source)
      : { ...source.image, ...recordOfPulled(context.note('pull') as Pulled) } // the step's own note
  if (await already(context, record, source.image.uuid)) return []
  return [{ change: 'put', noun: 'image', record }]
}
