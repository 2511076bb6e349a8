import { copyFor, fillVolume, loadVolume, unmakeVolume } from '../custom-volumes.ts'
import type { Handler } from '../steps.ts'
import { stillSteps } from '../still-users.ts'

const still = stillSteps<'volume-snapshot.create'>()

/** A copy of the volume, taken while the instances that mount it stand still. */
export const volumeSnapshotCreate: Handler<'volume-snapshot.create'> = {
  steps: [
    ...still.before,
    {
      name: 'copy',
      run: async (context) => {
        const { record } = context.input
        await fillVolume(context, copyFor(record), (await loadVolume(context, record.parent)).volume)
      },
      undo: (context) => unmakeVolume(context, context.input.record.volume),
    },
    still.after,
  ],
  finish: async (context) => ({
    changes: [{ change: 'put', noun: 'volume-snapshot', record: context.input.record }],
    context: { type: 'custom' },
    project: context.input.record.project,
    observed: await still.observed(context),
  }),
}
