import { conflict } from '../../src/core/failure.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { loadVolume } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/**
 * Removes a custom volume with its files, and with it its snapshots. The engine refuses while any container, running
 * or not, mounts it.
 */
export const volumeDelete: Handler<'volume.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const { volume } = await loadVolume(context, context.input.volume)
        const outcome = await context.engine.volumes.remove(volume, context.signal)
        if (outcome === 'in-use') throw conflict('The storage volume is still in use')
      },
    },
    {
      name: 'snapshots',
      run: async (context) => {
        for (const { volume } of await snapshotsOf(context)) await dropVolume(context, volume)
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev } = await loadVolume(context, context.input.volume)
    const snapshots = await snapshotsOf(context)
    return {
      changes: [
        { change: 'remove', noun: 'volume', uuid, rev },
        ...snapshots.map((one): RecordChange => ({
          change: 'remove',
          noun: 'volume-snapshot',
          uuid: one.uuid,
          rev: one.rev,
        })),
      ],
    }
  },
}

const snapshotsOf = ({ records, input }: Context<'volume.delete'>) => records.list('volume-snapshot', input.volume)
