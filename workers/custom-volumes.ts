/** What the handlers of custom volumes share: their records, and new volumes of the engine with the files of others. */
import type { InstanceRecord, VolumeBackupRecord, VolumeRecord, VolumeSnapshotRecord } from '../src/contract/records.ts'
import { usesVolume } from '../src/core/devices.ts'
import { ownAndInherited } from '../src/core/expand.ts'
import { conflict, notFound } from '../src/core/failure.ts'
import { homesOf, listSharing } from '../src/core/project-features.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context } from './steps.ts'

export async function loadVolume(context: Context<Kind>, uuid: string): Promise<VolumeRecord> {
  const volume = await context.records.get('volume', uuid)
  if (volume === undefined) throw notFound('Storage pool volume not found')
  return volume
}

export async function loadVolumeSnapshot(context: Context<Kind>, uuid: string): Promise<VolumeSnapshotRecord> {
  const snapshot = await context.records.get('volume-snapshot', uuid)
  if (snapshot === undefined) throw notFound('Storage volume snapshot not found')
  return snapshot
}

/** The engine's volume that a copy is made of: a volume's own, or that of one of its snapshots. */
export async function sourceOf(
  context: Context<Kind>,
  { from, snapshot }: { from: string; snapshot?: string | undefined },
): Promise<string> {
  return (snapshot === undefined ? await loadVolume(context, from) : await loadVolumeSnapshot(context, snapshot)).volume
}

export async function loadVolumeBackup(context: Context<Kind>, uuid: string): Promise<VolumeBackupRecord> {
  const backup = await context.records.get('volume-backup', uuid)
  if (backup === undefined) throw notFound('Storage volume backup not found')
  return backup
}

/** The instances that mount it. While an operation owns the volume none is accepted that would make another one do so. */
export async function mountersOf(
  { records }: Context<Kind>,
  { project, name }: VolumeRecord,
): Promise<InstanceRecord[]> {
  const [instances, known, home] = await Promise.all([
    listSharing(records, 'volume', project, 'instance'),
    records.list('profile'),
    homesOf(records, 'profile'),
  ])
  return instances.filter((instance) => {
    const own = known.filter((profile) => profile.project === home(instance.project))
    return usesVolume({ devices: ownAndInherited(instance, own) }, name)
  })
}

/** A volume of the engine as it is to be made; `origin` is the record that it can be rebuilt from. */
export interface NewVolume {
  role: 'volume' | 'snapshot' | 'helper'
  uuid: string
  project: string
  volume: string
  origin?: unknown
}

export function ownVolumeOf(record: VolumeRecord): NewVolume {
  const { uuid, project, volume } = record
  return { role: 'volume', uuid, project, volume, origin: record }
}

export function copyFor(record: VolumeSnapshotRecord): NewVolume {
  const { uuid, project, volume } = record
  return { role: 'snapshot', uuid, project, volume, origin: record }
}

/** An empty one. Making it again finds it. */
export async function makeVolume(context: Context<Kind>, { volume, ...about }: NewVolume): Promise<void> {
  await context.engine.volumes.create(volume, context.labels(about), context.signal)
}

/** One with the files of another. What an earlier attempt has copied may be gone from there by now: it is made anew. */
export async function fillVolume(context: Context<Kind>, made: NewVolume, from: string): Promise<void> {
  const { uuid, project, volume } = made
  if (context.again) await unmakeVolume(context, volume)
  await makeVolume(context, made)
  await context.engine.volumes.copy(from, volume, context.labels({ role: 'helper', uuid, project }), context.signal)
}

/** Removes a volume that this operation has made, with the helpers that a worker that died has left on it. */
export async function unmakeVolume(
  { engine, operation, signal }: Context<Kind>,
  volume: string,
): Promise<string | undefined> {
  const helpers = await engine.containers.find({ operation: operation.id, role: 'helper' }, signal)
  for (const helper of helpers) await engine.containers.remove(helper.id, { force: true }, signal)
  const outcome = await engine.volumes.remove(volume, signal)
  if (outcome === 'in-use') throw conflict('The new volume is still in use')
  return outcome === 'removed' ? 'Removed the new volume' : undefined
}
