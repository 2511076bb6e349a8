import type { InstanceRecord, Noun, RecordOf, SnapshotRecord } from '../src/contract/records.ts'
import type { RecordChange } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { loadInstance } from './containers.ts'
import { snapshotTag } from '../src/core/own-tags.ts'
import { releaseImage, releaseOwnImage } from './engine-images.ts'
import { dropVolume } from './images.ts'
import type { Context } from './steps.ts'
import { removeVolumes } from './volumes.ts'

/** Removes everything the engine has of an instance: container, volumes, snapshots, backups. Each part may be gone already. */
export async function removeInstance(context: Context<Kind>, uuid: string): Promise<void> {
  const instance = await loadInstance(context, uuid)
  await context.engine.containers.remove(instance.container, { force: true }, context.signal)
  await removeVolumes(context, instance.volumes)
  for (const { name } of await context.engine.volumes.find({ role: 'output', uuid }, context.signal))
    await dropVolume(context, name)
  for (const snapshot of await context.records.list('snapshot', uuid)) await removeSnapshot(context, snapshot)
  for (const { tarball } of await context.records.list('backup', uuid)) await dropVolume(context, tarball)
  // After its snapshots: one whose image it uses has left it a tag of its own.
  await releaseOwnImage(context, instance)
}

/** Those of these records that are there: somebody may have deleted one before the operation was accepted. */
export async function stillKept<N extends Noun>(
  { records }: Context<Kind>,
  noun: N,
  uuids: readonly string[],
): Promise<RecordOf<N>[]> {
  const found = await Promise.all(uuids.map((uuid) => records.get(noun, uuid)))
  return found.filter((record) => record !== undefined)
}

/** The engine's side of deleting a snapshot. What was made from its image keeps it alive, untagged. */
export async function removeSnapshot(context: Context<Kind>, snapshot: SnapshotRecord): Promise<void> {
  await releaseImage(context, snapshotTag(snapshot.uuid), snapshot.engineImage, snapshot.uuid)
  await removeVolumes(context, snapshot.volumes)
}

/** The records that go with an instance: its own, its snapshots', its backups', its leases. */
export async function removalOf(context: Context<Kind>, instance: InstanceRecord): Promise<RecordChange[]> {
  const { records } = context
  const [snapshots, backups, nicknames, leases] = await Promise.all([
    records.list('snapshot', instance.uuid),
    records.list('backup', instance.uuid),
    records.owned('nickname', instance.uuid),
    records.owned('lease', instance.uuid),
  ])
  return [
    { change: 'remove', noun: 'instance', uuid: instance.uuid, rev: instance.rev },
    ...snapshots.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'snapshot', uuid, rev })),
    ...backups.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'backup', uuid, rev })),
    ...nicknames.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'nickname', uuid, rev })),
    ...leases.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'lease', uuid, rev })),
  ]
}
