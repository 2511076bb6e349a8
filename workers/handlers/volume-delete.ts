import type { VolumeRecord } from '../../src/contract/records.ts'
import { conflict, notFound } from '../../src/core/failure.ts'
import type { Context, Handler } from '../steps.ts'

/** Removes a custom volume with its files. The engine refuses while any container, running or not, mounts it. */
export const volumeDelete: Handler<'volume.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const { volume } = await load(context)
        const outcome = await context.engine.volumes.remove(volume, context.signal)
        if (outcome === 'in-use') throw conflict('The storage volume is still in use')
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev } = await load(context)
    return { changes: [{ change: 'remove', noun: 'volume', uuid, rev }] }
  },
}

async function load(context: Context<'volume.delete'>): Promise<VolumeRecord> {
  const volume = await context.records.get('volume', context.input.volume)
  if (volume === undefined) throw notFound('Storage pool volume not found')
  return volume
}
