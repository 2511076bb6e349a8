import { loadVolume, loadVolumeSnapshot, unmakeVolume } from '../custom-volumes.ts'
import { fillBeside, refuseRunning, replacingSteps, type Replacement } from '../replacing-volumes.ts'
import type { Context, Handler } from '../steps.ts'

const replacementOf = ({ input }: Context<'volume.restore'>): Replacement => {
  const { volume, into, users = [], change } = input
  return { volume, into, mounters: users, change }
}

/** The snapshot's files in a new volume of the engine, which takes the place of the old one. */
export const volumeRestore: Handler<'volume.restore'> = {
  steps: [
    {
      name: 'look',
      run: (context) =>
        refuseRunning(
          context,
          replacementOf(context).mounters,
          'Cannot restore custom volume used by running instances',
        ),
      lasts: () => true,
    },
    {
      name: 'fill',
      run: async (context) => {
        const snapshot = await loadVolumeSnapshot(context, context.input.snapshot)
        return fillBeside(context, replacementOf(context), snapshot.volume)
      },
      undo: (context) => unmakeVolume(context, context.input.into),
    },
    ...replacingSteps<'volume.restore'>(replacementOf),
  ],
  finish: async (context) => {
    const snapshot = await context.records.get('volume-snapshot', context.input.snapshot)
    const { project } = await loadVolume(context, context.input.volume)
    return { changes: [], context: { snapshot: snapshot?.name ?? '' }, project }
  },
}
