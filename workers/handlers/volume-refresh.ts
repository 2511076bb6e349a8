import type { RecordChange } from '../../src/core/ports.ts'
import { loadVolume, sourceOf, unmakeVolume } from '../custom-volumes.ts'
import { copySnapshots, unmakeSnapshots } from '../copied-volume-snapshots.ts'
import { dropVolume } from '../images.ts'
import { stillKept } from '../removing.ts'
import { fillBeside, refuseRunning, replacingSteps, type Replacement } from '../replacing-volumes.ts'
import type { Context, Handler } from '../steps.ts'
import { stillSteps } from '../still-users.ts'

const still = stillSteps<'volume.refresh'>()

const replacementOf = ({ input }: Context<'volume.refresh'>): Replacement => {
  const { volume, into, mounters } = input
  return { volume, into, mounters }
}

/**
 * The files that another volume has now, or had at a snapshot, in a new volume of the engine, which takes the place of
 * the old one; with the snapshots that it lacks, without those that its source has no more. All else stays its own.
 */
export const volumeRefresh: Handler<'volume.refresh'> = {
  steps: [
    {
      name: 'stopped',
      run: (context) =>
        refuseRunning(context, context.input.mounters, 'Cannot refresh custom volume used by running instances'),
      lasts: () => true,
    },
    ...still.before,
    {
      name: 'fill',
      run: async (context) => fillBeside(context, replacementOf(context), await sourceOf(context, context.input)),
      undo: (context) => unmakeVolume(context, context.input.into),
    },
    still.after,
    {
      name: 'snapshots',
      when: ({ input }) => input.snapshots.length > 0,
      run: (context) => copySnapshots(context, context.input.snapshots),
      undo: (context) => unmakeSnapshots(context, context.input.snapshots),
    },
    ...replacingSteps<'volume.refresh'>(replacementOf),
    {
      name: 'snapshots-gone',
      when: ({ input }) => input.gone.length > 0,
      run: async (context) => {
        for (const { volume } of await stillKept(context, 'volume-snapshot', context.input.gone))
          await dropVolume(context, volume)
      },
    },
  ],
  finish: async (context) => {
    const gone = await stillKept(context, 'volume-snapshot', context.input.gone)
    const { project } = await loadVolume(context, context.input.volume)
    return {
      changes: [
        ...gone.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'volume-snapshot', uuid, rev })),
        ...context.input.snapshots.map(({ record }): RecordChange => ({
          change: 'put',
          noun: 'volume-snapshot',
          record,
        })),
      ],
      project,
      observed: await still.observed(context),
    }
  },
}
