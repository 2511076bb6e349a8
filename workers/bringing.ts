/** The steps that bring an image here from another server, or from an upload, for each kind that needs one. */
import type { ImageRecord } from '../src/contract/records.ts'
import { lxdArchitecture } from '../src/core/architecture.ts'
import type { ImportedTarball } from '../src/core/engine.ts'
import { conflict } from '../src/core/failure.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../src/core/kept-files.ts'
import { imageTag } from '../src/core/own-tags.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { ImageFetch } from '../src/operations/inputs.ts'
import { fetchImage, type Fetched } from './fetching.ts'
import { dropTag, dropVolume } from './images.ts'
import type { Context, Step } from './steps.ts'

/** An image that is to be; without `from` its files lie in its volume already. */
export interface Bringing {
  image: ImageRecord
  from?: ImageFetch | undefined
}

/** What an operation brings; undefined: nothing. */
type Bring<K extends Kind> = (context: Context<K>) => Bringing | undefined

/** Fetches its files, unless the project has the image, and makes an image of the engine of them. */
export function bringSteps<K extends Kind>(bring: Bring<K>): Step<K>[] {
  return [
    {
      name: 'fetch',
      when: (context) => bring(context)?.from !== undefined,
      run: async (context) => {
        const { image, from } = bring(context) ?? {}
        return image && from && fetchImage(context, image, from)
      },
      undo: async (context) => {
        await dropFiles(context, bring(context))
        return undefined
      },
    },
    {
      name: 'import',
      when: (context) => bring(context) !== undefined && knownImage(context) === undefined,
      run: (context) => importFiles(context, bring(context)),
      undo: async (context) => {
        const bringing = bring(context)
        if (bringing !== undefined) await dropTag(context, imageTag(bringing.image.uuid))
        return (await dropFiles(context, bringing)) ? 'Removed the upload' : undefined
      },
    },
  ]
}

/** The image as it is after these steps, or the project's own one, which is the same. */
export function brought(context: Context<Kind>, { image, from }: Bringing): ImageRecord {
  const known = knownImage(context)
  if (known !== undefined) return known
  const like = describedBy(context, image)
  const imported = context.note('import') as ImportedTarball // the step's own note
  const isOpen = from !== undefined && context.secret === undefined
  return {
    ...like,
    engineImage: imported.id,
    boot: imported.boot,
    architecture: lxdArchitecture(imported.architecture),
    tarball: imageVolume(image.uuid),
    properties: { ...imported.properties, ...like.properties },
    ...(imported.metadata !== undefined && { metadata: imported.metadata }),
    // A secret is good for once: what needs one cannot be looked for again.
    ...(isOpen && { origin: from.origin }),
  }
}

/** Turns that have dropped what they had brought. */
const dropped = new WeakSet<Context<Kind>>()

/**
 * The image as the project has it already, maybe since a moment ago; what was brought as `own` is dropped then. Conflict
 * where there is neither of them by now.
 */
export async function already(
  context: Context<Kind>,
  { project, name }: ImageRecord,
  own: string,
): Promise<ImageRecord | undefined> {
  const known = await context.records.find('image', project, name)
  if (known === undefined && dropped.has(context)) throw conflict('The image was deleted meanwhile; try again')
  if (known === undefined || known.uuid === own) return known
  dropped.add(context)
  await dropTag(context, imageTag(own))
  await dropVolume(context, imageVolume(own))
  return known
}

function knownImage(context: Context<Kind>): ImageRecord | undefined {
  const fetched = context.note('fetch') as Fetched | undefined // the step's own note
  return fetched !== undefined && 'known' in fetched ? fetched.known : undefined
}

/** What was uploaded, or what another server has told. */
function describedBy(context: Context<Kind>, image: ImageRecord): ImageRecord {
  const fetched = context.note('fetch') as Fetched | undefined // the step's own note
  if (fetched === undefined || 'known' in fetched) return image
  return { ...image, ...fetched, properties: { ...fetched.properties, ...image.properties } }
}

async function importFiles(
  context: Context<Kind>,
  bringing: Bringing | undefined,
): Promise<ImportedTarball | undefined> {
  if (bringing === undefined) return undefined
  const image = describedBy(context, bringing.image)
  const { uuid, project } = image
  const kept = {
    volume: imageVolume(uuid),
    file: KEPT_FILE,
    ...(image.rootfs !== undefined && { rootfs: ROOTFS_FILE }),
    labels: context.labels({ role: 'helper', uuid, project }),
  }
  const labels = context.labels({ role: 'image', uuid, project, origin: image })
  const onProgress = (text: string, percent: number): void => context.progress(text, percent)
  return context.engine.images.importTarball(kept, { labels, tag: imageTag(uuid), onProgress }, context.signal)
}

async function dropFiles(context: Context<Kind>, bringing: Bringing | undefined): Promise<boolean> {
  return bringing !== undefined && dropVolume(context, imageVolume(bringing.image.uuid))
}
