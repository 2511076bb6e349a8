import type { Handler } from '../steps.ts'

/** An empty volume of the engine. Making it again finds it. */
export const volumeCreate: Handler<'volume.create'> = {
  steps: [
    {
      name: 'volume',
      run: async (context) => {
        const { volume } = context.input
        const about = { role: 'volume', uuid: volume.uuid, project: volume.project, origin: volume } as const
        await context.engine.volumes.create(volume.volume, context.labels(about), context.signal)
      },
      undo: async (context) => {
        const outcome = await context.engine.volumes.remove(context.input.volume.volume, context.signal)
        return outcome === 'removed' ? 'Removed the new volume' : undefined
      },
    },
  ],
  finish: async ({ input }) => ({
    changes: [{ change: 'put', noun: 'volume', record: input.volume }],
    context: { type: 'custom' },
  }),
}
