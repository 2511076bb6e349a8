/**
 * A custom volume's files replaced as a whole: a new volume of the engine, filled beside the old one, takes its place.
 * The engine can neither empty a volume nor give a container another one: instances that mount it must not run, and get
 * new containers at their next start.
 */
import type { VolumeRecord } from '../src/contract/records.ts'
import { badRequest, conflict } from '../src/core/failure.ts'
import { unapplied } from '../src/core/pending.ts'
import type { RecordChange } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { containerOf, loadInstance } from './containers.ts'
import { fillVolume, loadVolume, mountersOf, ownVolumeOf } from './custom-volumes.ts'
import { dropVolume } from './images.ts'
import type { Context, Step } from './steps.ts'

type Replacing = Extract<Kind, 'volume.restore' | 'volume.refresh'>

/** What a kind replaces. */
export interface Replacement {
  /** The volume's uuid. */
  volume: string
  /** The engine's name of the volume that takes the place of the one it has. */
  into: string
  /** Instances that mount it. */
  mounters: string[]
  /** What is changed of it by the way. */
  change?: Partial<VolumeRecord> | undefined
}

/** What the filling step found: the engine's volume that is replaced. */
interface Filled {
  old: string
}

const FILL = 'fill'

/** Bad-request with this text while one of the instances runs. */
export async function refuseRunning(context: Context<Kind>, instances: string[], text: string): Promise<void> {
  for (const uuid of instances) {
    const { status } = await containerOf(context, await loadInstance(context, uuid))
    if (status === 'running' || status === 'paused' || status === 'restarting') throw badRequest(text)
  }
}

/** Fills the new volume; its undo is `unmakeVolume`. */
export async function fillBeside(context: Context<Kind>, replacement: Replacement, from: string): Promise<Filled> {
  const volume = await loadVolume(context, replacement.volume)
  await fillVolume(context, ownVolumeOf(next(replacement, volume)), from)
  return { old: volume.volume }
}

/** The steps that put the new volume in its place, which is the point of no return, and take the old one away. */
export function replacingSteps<K extends Replacing>(of: (context: Context<K>) => Replacement): Step<K>[] {
  return [
    { name: 'record', run: (context) => putNew(context, of(context)) },
    {
      name: 'cleanup',
      // The containers of stopped instances keep it; the sweep takes it when they have gone.
      when: (context) => of(context).mounters.length === 0,
      run: (context) => dropVolume(context, (context.note(FILL) as Filled).old), // the note of `fillBeside`
    },
  ]
}

async function putNew(context: Context<Kind>, replacement: Replacement): Promise<void> {
  const { into, mounters } = replacement
  const volume = await loadVolume(context, replacement.volume)
  if (volume.volume === into) return
  await refuseOthers(context, replacement, volume)
  const users = await Promise.all(mounters.map((uuid) => loadInstance(context, uuid)))
  const superseded = await stillThere(context, [
    ...(volume.superseded ?? []),
    ...(users.length > 0 ? [volume.volume] : []),
  ])
  const { superseded: _before, ...record } = next(replacement, volume)
  await context.forward([
    { change: 'put', noun: 'volume', record: superseded.length > 0 ? { ...record, superseded } : record },
    ...users.map((one): RecordChange => ({ change: 'put', noun: 'instance', record: unapplied(one) })),
  ])
}

function next({ into, change }: Replacement, volume: VolumeRecord): VolumeRecord {
  return { ...volume, ...change, volume: into }
}

async function stillThere({ engine, signal }: Context<Kind>, volumes: string[]): Promise<string[]> {
  const found = await Promise.all(volumes.map((name) => engine.volumes.inspect(name, signal)))
  return found.flatMap((volume) => volume?.name ?? [])
}

/** An instance may have got it just before the operation was accepted. */
async function refuseOthers(context: Context<Kind>, { mounters }: Replacement, volume: VolumeRecord): Promise<void> {
  const other = (await mountersOf(context, volume)).find(({ uuid }) => !mounters.includes(uuid))
  if (other !== undefined) throw conflict(`Instance "${other.name}" has got the volume meanwhile; try again`)
}
