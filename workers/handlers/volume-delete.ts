import type { Noun } from '../../src/contract/records.ts'
import { conflict } from '../../src/core/failure.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { loadVolume, mountersOf } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

/**
 * Removes a custom volume with its files, and with it its snapshots and backups. The engine refuses while any container, running
 * or not, mounts it.
 */
export const volumeDelete: Handler<'volume.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const record = await loadVolume(context, context.input.volume)
        const { volume, superseded = [] } = record
        // One whose container follows at its next start is not known to the engine yet.
        if ((await mountersOf(context, record)).length > 0) throw conflict('The storage volume is still in use')
        const outcome = await context.engine.volumes.remove(volume, context.signal)
        if (outcome === 'in-use') throw conflict('The storage volume is still in use')
        for (const old of superseded) await dropVolume(context, old)
      },
    },
    {
      name: 'belongings',
      run: async (context) => {
        const { snapshots, backups } = await belongingsOf(context)
        for (const { volume } of snapshots) await dropVolume(context, volume)
        for (const { tarball } of backups) await dropVolume(context, tarball)
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev, project } = await loadVolume(context, context.input.volume)
    const { snapshots, backups } = await belongingsOf(context)
    return {
      project,
      changes: [
        { change: 'remove', noun: 'volume', uuid, rev },
        ...snapshots.map((one) => removal('volume-snapshot', one)),
        ...backups.map((one) => removal('volume-backup', one)),
      ],
    }
  },
}

async function belongingsOf({ records, input }: Context<'volume.delete'>) {
  const [snapshots, backups] = await Promise.all([
    records.list('volume-snapshot', input.volume),
    records.list('volume-backup', input.volume),
  ])
  return { snapshots, backups }
}

function removal(noun: Noun, { uuid, rev }: { uuid: string; rev: number }): RecordChange {
  return { change: 'remove', noun, uuid, rev }
}
