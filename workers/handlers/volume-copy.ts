import { conflict, notFound } from '../../src/core/failure.ts'
import type { Context, Handler } from '../steps.ts'

/** A new custom volume with the files that another one has. */
export const volumeCopy: Handler<'volume.copy'> = {
  steps: [
    {
      name: 'volume',
      run: copyAll,
      undo: async (context) => {
        await dropHelpers(context)
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

async function copyAll(context: Context<'volume.copy'>): Promise<void> {
  const { engine, input, signal } = context
  const { volume } = input
  const source = await context.records.get('volume', input.from)
  if (source === undefined) throw notFound('Storage pool volume not found')
  const about = { uuid: volume.uuid, project: volume.project }
  if (context.again) {
    // What an earlier attempt has copied may be gone from the source by now.
    await dropHelpers(context)
    if ((await engine.volumes.remove(volume.volume, signal)) === 'in-use')
      throw conflict('The new volume is still in use')
  }
  await engine.volumes.create(volume.volume, context.labels({ ...about, role: 'volume', origin: volume }), signal)
  await engine.volumes.copy(source.volume, volume.volume, context.labels({ ...about, role: 'helper' }), signal)
}

/** Those that a worker that died has left on it. */
async function dropHelpers({ engine, operation, signal }: Context<'volume.copy'>): Promise<void> {
  const helpers = await engine.containers.find({ operation: operation.id, role: 'helper' }, signal)
  for (const helper of helpers) await engine.containers.remove(helper.id, { force: true }, signal)
}
