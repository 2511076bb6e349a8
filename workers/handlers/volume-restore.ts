import type { VolumeRecord } from '../../src/contract/records.ts'
import { badRequest, conflict } from '../../src/core/failure.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { containerOf, loadInstance } from '../containers.ts'
import { fillVolume, loadVolume, loadVolumeSnapshot, mountersOf, ownVolumeOf, unmakeVolume } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import { unapplied } from '../pending.ts'
import type { Context, Handler } from '../steps.ts'

type Restoring = Context<'volume.restore'>

/** What the step `fill` found: the engine's volume that is replaced. */
interface Filled {
  old: string
}

const usersOf = ({ input }: Restoring) => input.users ?? []

/**
 * The snapshot's files in a new volume of the engine, which takes the place of the old one. The engine can neither
 * empty a volume nor give a container another one: instances that mount it must not run, and get new containers at
 * their next start.
 */
export const volumeRestore: Handler<'volume.restore'> = {
  steps: [
    { name: 'look', run: refuseRunning, lasts: () => true },
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
    { name: 'record', run: putBack },
    {
      name: 'cleanup',
      // The containers of stopped instances keep it; the sweep takes it when they have gone.
      when: (context) => usersOf(context).length === 0,
      run: (context) => dropVolume(context, (context.note('fill') as Filled).old), // the step's own note
    },
  ],
  finish: async (context) => {
    const snapshot = await context.records.get('volume-snapshot', context.input.snapshot)
    const { project } = await loadVolume(context, context.input.volume)
    return { changes: [], context: { snapshot: snapshot?.name ?? '' }, project }
  },
}

async function refuseRunning(context: Restoring): Promise<void> {
  for (const uuid of usersOf(context)) {
    const { status } = await containerOf(context, await loadInstance(context, uuid))
    if (status === 'running' || status === 'paused' || status === 'restarting')
      throw badRequest('Cannot restore custom volume used by running instances')
  }
}

/** The point of no return. */
async function putBack(context: Restoring): Promise<void> {
  const volume = await loadVolume(context, context.input.volume)
  if (volume.volume === context.input.into) return
  await refuseOthers(context, volume)
  const users = await Promise.all(usersOf(context).map((uuid) => loadInstance(context, uuid)))
  const superseded = await stillThere(context, [
    ...(volume.superseded ?? []),
    ...(users.length > 0 ? [volume.volume] : []),
  ])
  const { superseded: _before, ...record } = next(context, volume)
  await context.forward([
    { change: 'put', noun: 'volume', record: superseded.length > 0 ? { ...record, superseded } : record },
    ...users.map((one): RecordChange => ({ change: 'put', noun: 'instance', record: unapplied(one) })),
  ])
}

function next({ input }: Restoring, volume: VolumeRecord): VolumeRecord {
  return { ...volume, ...input.change, volume: input.into }
}

async function stillThere({ engine, signal }: Restoring, volumes: string[]): Promise<string[]> {
  const found = await Promise.all(volumes.map((name) => engine.volumes.inspect(name, signal)))
  return found.flatMap((volume) => volume?.name ?? [])
}

/** An instance may have got it just before the operation was accepted. */
async function refuseOthers(context: Restoring, volume: VolumeRecord): Promise<void> {
  const other = (await mountersOf(context, volume)).find(({ uuid }) => !usersOf(context).includes(uuid))
  if (other !== undefined) throw conflict(`Instance "${other.name}" has got the volume meanwhile; try again`)
}
