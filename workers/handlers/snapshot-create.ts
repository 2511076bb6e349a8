import type { SnapshotRecord } from '../../src/contract/records.ts'
import { loadInstance } from '../containers.ts'
import { snapshotTag } from '../../src/core/own-tags.ts'
import { commitInstance } from '../engine-images.ts'
import { freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import type { Context, Handler } from '../steps.ts'
import { copyVolumes, unmakeVolumes } from '../volumes.ts'

const instanceOf = (context: Context<'snapshot.create'>) => context.input.instance

/** The instance's files as an image and a copy of each of its volumes, taken while it stands still. */
export const snapshotCreate: Handler<'snapshot.create'> = {
  steps: [
    lookStep(instanceOf),
    freezeStep(instanceOf),
    {
      name: 'commit',
      run: async (context) => {
        const { record } = context.input
        const instance = await loadInstance(context, context.input.instance)
        const made = { role: 'snapshot', uuid: record.uuid, tag: snapshotTag(record.uuid), origin: record } as const
        return { engineImage: await commitInstance(context, instance, made) }
      },
      undo: async (context) => {
        const outcome = await context.engine.images.untag(snapshotTag(context.input.record.uuid), context.signal)
        return outcome === 'removed' ? 'Removed the new image' : undefined
      },
    },
    {
      name: 'volumes',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        return copyVolumes(context, owner(context), instance.volumes)
      },
      undo: (context) => unmakeVolumes(context, owner(context)),
    },
    thawStep(instanceOf),
  ],
  finish: async (context) => {
    const { record } = context.input
    const { engineImage } = context.note('commit') as { engineImage: string } // the step's own note
    const volumes = context.note('volumes') as SnapshotRecord['volumes'] // the step's own note
    return {
      changes: [{ change: 'put', noun: 'snapshot', record: { ...record, engineImage, volumes } }],
      observed: await observeThawed(context, context.input.instance),
    }
  },
}

function owner({ input, operation }: Context<'snapshot.create'>) {
  return { role: 'snapshot', uuid: input.record.uuid, project: operation.project } as const
}
