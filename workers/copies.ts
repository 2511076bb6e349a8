/** What copying an instance and refreshing a copy share: the source's files as an image, and its snapshots for another owner. */
import type { SnapshotRecord } from '../src/contract/records.ts'
import { snapshotTag } from '../src/core/own-tags.ts'
import type { InputOf, Kind } from '../src/operations/catalog.ts'
import { loadInstance, loadSnapshot } from './containers.ts'
import { commitInstance, ownTag } from './engine-images.ts'
import type { Context, Step } from './steps.ts'
import { copyVolumes, unmakeVolumes } from './volumes.ts'

type Copying = 'instance.copy' | 'instance.refresh'
type Wanted = InputOf<'instance.copy'>['snapshots']

/** The files of the source as an image of the instance that gets them. */
export function commitStep<K extends Copying>(of: {
  source(context: Context<K>): string
  owner(context: Context<K>): string
}): Step<K> {
  return {
    name: 'commit',
    run: async (context) => {
      const source = await loadInstance(context, of.source(context))
      const uuid = of.owner(context)
      const made = { role: 'helper', uuid, tag: ownTag(context, uuid) } as const
      return { engineImage: await commitInstance(context, source, made) }
    },
    undo: async (context) => {
      await context.engine.images.untag(ownTag(context, of.owner(context)), context.signal)
      return undefined
    },
  }
}

/** Leaves the records of the copies. */
export function snapshotsStep<K extends Copying>(wanted: (context: Context<K>) => Wanted): Step<K> {
  return {
    name: 'snapshots',
    when: (context) => wanted(context).length > 0,
    run: (context) => copySnapshots(context, wanted(context)),
    undo: (context) => dropSnapshots(context, wanted(context)),
  }
}

/** What the step `snapshots` has made. */
export function copiedSnapshots(context: Context<Kind>): SnapshotRecord[] {
  return (context.note('snapshots') ?? []) as SnapshotRecord[] // the step's own note
}

/** A snapshot's copy shares its image under a tag of its own, and has volumes of its own. */
async function copySnapshots(context: Context<Kind>, wanted: Wanted): Promise<SnapshotRecord[]> {
  const copies: SnapshotRecord[] = []
  for (const { from, record } of wanted) {
    const source = await loadSnapshot(context, from)
    await context.engine.images.tag(source.engineImage, snapshotTag(record.uuid), context.signal)
    const snapshotOwner = { role: 'snapshot', uuid: record.uuid, project: record.project } as const
    const volumes = await copyVolumes(context, snapshotOwner, source.volumes)
    copies.push({ ...record, engineImage: source.engineImage, volumes })
  }
  return copies
}

async function dropSnapshots(context: Context<Kind>, wanted: Wanted): Promise<string | undefined> {
  for (const { record } of wanted) {
    await context.engine.images.untag(snapshotTag(record.uuid), context.signal)
    await unmakeVolumes(context, { role: 'snapshot', uuid: record.uuid, project: record.project })
  }
  return `Removed ${wanted.length} copied snapshots`
}
