import type { RecordChange } from '../../src/core/ports.ts'
import { copySnapshots, unmakeSnapshots } from '../copied-volume-snapshots.ts'
import { fillVolume, ownVolumeOf, sourceOf, unmakeVolume } from '../custom-volumes.ts'
import type { Context, Handler } from '../steps.ts'
import { stillSteps } from '../still-users.ts'

const still = stillSteps<'volume.copy'>()

const along = ({ input }: Context<'volume.copy'>) => input.snapshots ?? []

/** A new custom volume with the files that another one has, or had at a snapshot; with its snapshots, if they are wanted. */
export const volumeCopy: Handler<'volume.copy'> = {
  steps: [
    ...still.before,
    {
      name: 'volume',
      run: async (context) =>
        fillVolume(context, ownVolumeOf(context.input.volume), await sourceOf(context, context.input)),
      undo: (context) => unmakeVolume(context, context.input.volume.volume),
    },
    still.after,
    {
      name: 'snapshots',
      when: (context) => along(context).length > 0,
      run: (context) => copySnapshots(context, along(context)),
      undo: (context) => unmakeSnapshots(context, along(context)),
    },
  ],
  finish: async (context) => ({
    changes: [
      { change: 'put', noun: 'volume', record: context.input.volume },
      ...along(context).map(({ record }): RecordChange => ({ change: 'put', noun: 'volume-snapshot', record })),
    ],
    context: { type: 'custom' },
    project: context.input.volume.project,
    observed: await still.observed(context),
  }),
}
