import { makeVolume, ownVolumeOf, unmakeVolume } from '../custom-volumes.ts'
import type { Handler } from '../steps.ts'

/** An empty volume of the engine. */
export const volumeCreate: Handler<'volume.create'> = {
  steps: [
    {
      name: 'volume',
      run: (context) => makeVolume(context, ownVolumeOf(context.input.volume)),
      undo: (context) => unmakeVolume(context, context.input.volume.volume),
    },
  ],
  finish: async ({ input }) => ({
    changes: [{ change: 'put', noun: 'volume', record: input.volume }],
    context: { type: 'custom' },
    project: input.volume.project,
  }),
}
