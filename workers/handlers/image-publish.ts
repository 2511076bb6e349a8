import type { ImageRecord, InstanceRecord, SnapshotRecord } from '../../src/contract/records.ts'
import { tarballExtension } from '../../src/core/compression.ts'
import { conflict } from '../../src/core/failure.ts'
import { imageVolume, type KeptFile } from '../../src/core/kept-files.ts'
import { loadInstance, loadSnapshot } from '../containers.ts'
import { imageTag } from '../../src/core/own-tags.ts'
import { commitInstance } from '../engine-images.ts'
import { freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import { dropTag, dropVolume, made, packImage } from '../images.ts'
import type { Context, Handler, Step } from '../steps.ts'

type Publishing = Context<'image.publish'>

const instanceOf = (context: Publishing) => context.input.source.instance
const live = ({ input }: Publishing) => input.source.snapshot === ''
const onlyLive = (step: Step<'image.publish'>): Step<'image.publish'> => ({
  ...step,
  when: (context) => live(context) && (step.when === undefined || step.when(context)),
})

/** An instance or a snapshot becomes an image, with a tarball whose checksum is its fingerprint. */
export const imagePublish: Handler<'image.publish'> = {
  steps: [
    onlyLive(lookStep(instanceOf)),
    onlyLive(freezeStep(instanceOf)),
    {
      name: 'commit',
      run: async (context) => ({ engineImage: await commit(context) }),
      undo: async (context) => {
        const removed = await dropTag(context, imageTag(context.input.image.uuid))
        return removed ? 'Removed the new image' : undefined
      },
    },
    onlyLive(thawStep(instanceOf)),
    {
      name: 'pack',
      run: pack,
      undo: async (context) => {
        const removed = await dropVolume(context, imageVolume(context.input.image.uuid))
        return removed ? 'Removed the new tarball' : undefined
      },
    },
  ],
  finish: async (context) => {
    const { image, aliases } = context.input
    const { engineImage } = context.note('commit') as { engineImage: string } // the step's own note
    const kept = context.note('pack') as KeptFile // the step's own note
    const { boot } = await sourceOf(context)
    const record: ImageRecord = {
      ...image,
      name: kept.sha256,
      filename: `${kept.sha256}${tarballExtension(context.input.compression)}`,
      size: kept.size,
      engineImage,
      boot,
      tarball: imageVolume(image.uuid),
    }
    const observed = live(context) ? await observeThawed(context, instanceOf(context)) : []
    return { ...made(record, aliases), observed }
  },
}

function sourceOf(context: Publishing): Promise<InstanceRecord | SnapshotRecord> {
  const { source } = context.input
  return live(context) ? loadInstance(context, source.instance) : loadSnapshot(context, source.snapshot)
}

/** A snapshot's image is already there: it gets one more tag, and outlives the snapshot. */
async function commit(context: Publishing): Promise<string> {
  const { image, source } = context.input
  const { engineImage, volumes } = await sourceOf(context)
  if (volumes.length > 0)
    context.warn(`Not in the image: what is in the volumes at ${volumes.map(({ path }) => path).join(', ')}`)
  if (!live(context)) {
    await context.engine.images.tag(engineImage, imageTag(image.uuid), context.signal)
    return engineImage
  }
  const instance = await loadInstance(context, source.instance)
  return commitInstance(context, instance, {
    role: 'image',
    uuid: image.uuid,
    project: image.project,
    tag: imageTag(image.uuid),
    origin: image,
  })
}

async function pack(context: Publishing): Promise<KeptFile> {
  const { image, compression } = context.input
  const { engineImage } = context.note('commit') as { engineImage: string } // the step's own note
  const { boot } = await sourceOf(context)
  const kept = await packImage(context, { ...image, engineImage, boot }, compression)
  const known = await context.records.find('image', image.project, kept.sha256)
  if (known !== undefined) throw conflict(`The image already exists: ${kept.sha256}`)
  return kept
}
