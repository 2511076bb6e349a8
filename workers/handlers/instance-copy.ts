import type { InstanceRecord } from '../../src/contract/records.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import {
  finalName,
  foreseeSpec,
  imageOf,
  loadInstance,
  loadSnapshot,
  makeContainer,
  unmakeContainer,
} from '../containers.ts'
import { commitStep, copiedSnapshots, snapshotsStep } from '../copies.ts'
import { freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import { committed } from '../recreating.ts'
import { observe, type Context, type Handler, type Step } from '../steps.ts'
import { freshPaths, newVolumes, volumeSteps } from '../volumes.ts'

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
    onlyLive(commitStep({ source: instanceOf, owner: ({ input }) => input.draft.uuid })),
    ...volumeSteps<'instance.copy'>({
      owner: ({ input: { draft } }) => ({ uuid: draft.uuid, project: draft.project }),
      next: async ({ input }) => input.draft,
      from: sourceVolumes,
    }),
    onlyLive(thawStep(instanceOf)),
    snapshotsStep(({ input }) => input.snapshots),
    {
      name: 'container',
      run: async (context) => {
        foreseeSpec(context, context.input.draft)
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
    const detail = await context.engine.containers.inspect(record.container, context.signal)
    const source = live(context) ? await observeThawed(context, instanceOf(context)) : []
    return {
      changes: [
        { change: 'put', noun: 'instance', record },
        ...copiedSnapshots(context).map((copy): RecordChange => ({ change: 'put', noun: 'snapshot', record: copy })),
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
