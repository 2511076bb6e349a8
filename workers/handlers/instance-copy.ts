import type { InstanceRecord, SnapshotRecord } from '../../src/contract/records.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { finalName, imageOf, loadInstance, loadSnapshot, makeContainer, unmakeContainer } from '../containers.ts'
import { snapshotTag } from '../../src/core/own-tags.ts'
import { commitInstance, ownTag } from '../engine-images.ts'
import { freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import { committed } from '../recreating.ts'
import { observe, type Context, type Handler, type Step } from '../steps.ts'
import { copyVolumes, freshPaths, newVolumes, unmakeVolumes, volumeSteps } from '../volumes.ts'

type Copying = Context<'instance.copy'>

const instanceOf = (context: Copying) => context.input.source.instance
const live = ({ input }: Copying) => input.source.snapshot === ''
const onlyLive = (step: Step<'instance.copy'>): Step<'instance.copy'> => ({
  ...step,
  when: (context) => live(context) && (step.when === undefined || step.when(context)),
})

/** A clone of an instance or of one of its snapshots, with its volumes and, when asked, its snapshots. */
export const instanceCopy: Handler<'instance.copy'> = {
  steps: [
    onlyLive(lookStep(instanceOf)),
    onlyLive(freezeStep(instanceOf)),
    onlyLive({
      name: 'commit',
      run: async (context) => {
        const source = await loadInstance(context, instanceOf(context))
        const { uuid } = context.input.draft
        const made = { role: 'helper', uuid, tag: ownTag(context, uuid) } as const
        return { engineImage: await commitInstance(context, source, made) }
      },
      undo: async (context) => {
        await context.engine.images.untag(ownTag(context, context.input.draft.uuid), context.signal)
        return undefined
      },
    }),
    ...volumeSteps<'instance.copy'>({
      owner: ({ input: { draft } }) => ({ uuid: draft.uuid, project: draft.project }),
      next: async ({ input }) => input.draft,
      from: sourceVolumes,
    }),
    onlyLive(thawStep(instanceOf)),
    {
      name: 'snapshots',
      when: ({ input }) => input.snapshots.length > 0,
      run: copySnapshots,
      undo: dropSnapshots,
    },
    {
      name: 'container',
      run: async (context) => {
        const image = await imageOf(context, await sourceImage(context))
        const volumes = newVolumes(context)
        const next = { ...context.input.draft, volumes, engineImage: image.id }
        const fresh = freshPaths(volumes, await sourceVolumes(context))
        const container = await makeContainer(context, next, image, fresh)
        await context.engine.containers.rename(container, finalName(next), context.signal)
        return { ...next, container }
      },
      undo: unmakeContainer,
    },
  ],
  finish: async (context) => {
    const record = context.note('container') as InstanceRecord // the step's own note
    const copies = (context.note('snapshots') ?? []) as SnapshotRecord[] // the step's own note
    const detail = await context.engine.containers.inspect(record.container, context.signal)
    const source = live(context) ? await observeThawed(context, instanceOf(context)) : []
    return {
      changes: [
        { change: 'put', noun: 'instance', record },
        ...copies.map((copy): RecordChange => ({ change: 'put', noun: 'snapshot', record: copy })),
      ],
      context: { type: 'container', 'storage-pool': 'default' },
      observed: [...source, ...(detail === undefined ? [] : [observe(context.engine.member, detail)])],
    }
  },
}

async function sourceVolumes(context: Copying): Promise<InstanceRecord['volumes']> {
  const { source } = context.input
  if (live(context)) return (await loadInstance(context, source.instance)).volumes
  return (await loadSnapshot(context, source.snapshot)).volumes
}

async function sourceImage(context: Copying): Promise<string> {
  if (live(context)) return committed(context)
  return (await loadSnapshot(context, context.input.source.snapshot)).engineImage
}

/** A snapshot's copy shares its image under a tag of its own, and has volumes of its own. */
async function copySnapshots(context: Copying): Promise<SnapshotRecord[]> {
  const copies: SnapshotRecord[] = []
  for (const { from, record } of context.input.snapshots) {
    const source = await loadSnapshot(context, from)
    await context.engine.images.tag(source.engineImage, snapshotTag(record.uuid), context.signal)
    const snapshotOwner = { role: 'snapshot', uuid: record.uuid, project: record.project } as const
    const volumes = await copyVolumes(context, snapshotOwner, source.volumes)
    copies.push({ ...record, engineImage: source.engineImage, volumes })
  }
  return copies
}

async function dropSnapshots(context: Copying): Promise<string | undefined> {
  for (const { record } of context.input.snapshots) {
    await context.engine.images.untag(snapshotTag(record.uuid), context.signal)
    await unmakeVolumes(context, { role: 'snapshot', uuid: record.uuid, project: record.project })
  }
  return `Removed ${context.input.snapshots.length} copied snapshots`
}
