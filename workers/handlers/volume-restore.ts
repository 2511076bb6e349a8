import type { VolumeRecord } from '../../src/contract/records.ts'
import { usesVolume } from '../../src/core/devices.ts'
import { effectiveDevices, expandDevices } from '../../src/core/expand.ts'
import { conflict } from '../../src/core/failure.ts'
import { loadProfiles } from '../containers.ts'
import { fillVolume, loadVolume, loadVolumeSnapshot, ownVolumeOf, unmakeVolume } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

type Restoring = Context<'volume.restore'>

/** What the step `fill` found: the engine's volume that is replaced. */
interface Filled {
  old: string
}

/**
 * The snapshot's files in a new volume of the engine, which takes the place of the old one. The engine cannot empty a
 * volume, nor give a container another one, so nothing may mount it.
 */
export const volumeRestore: Handler<'volume.restore'> = {
  steps: [
    {
      name: 'fill',
      run: async (context): Promise<Filled> => {
        const volume = await loadVolume(context, context.input.volume)
        const snapshot = await loadVolumeSnapshot(context, context.input.snapshot)
        await fillVolume(context, ownVolumeOf(next(context, volume)), snapshot.volume)
        return { old: volume.volume }
      },
      undo: (context) => unmakeVolume(context, context.input.into),
    },
    {
      name: 'record',
      run: async (context) => {
        const volume = await loadVolume(context, context.input.volume)
        if (volume.volume === context.input.into) return
        await refuseMounted(context, volume)
        await context.forward([{ change: 'put', noun: 'volume', record: next(context, volume) }])
      },
    },
    {
      name: 'cleanup',
      run: (context) => dropVolume(context, (context.note('fill') as Filled).old), // the step's own note
    },
  ],
  finish: async (context) => {
    const snapshot = await context.records.get('volume-snapshot', context.input.snapshot)
    return { changes: [], context: { snapshot: snapshot?.name ?? '' } }
  },
}

function next({ input }: Restoring, volume: VolumeRecord): VolumeRecord {
  return { ...volume, ...input.change, volume: input.into }
}

/** An instance may have got it since the operation was accepted. */
async function refuseMounted(context: Restoring, { project, name }: VolumeRecord): Promise<void> {
  for (const instance of await context.records.list('instance', project)) {
    const devices = effectiveDevices(expandDevices(await loadProfiles(context, instance), instance.devices))
    if (usesVolume({ devices }, name)) throw conflict('Cannot restore a custom volume that is in use; detach it first')
  }
}
