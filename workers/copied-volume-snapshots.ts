/** Snapshots of a custom volume that are copied along with it. */
import type { VolumeSnapshotRecord } from '../src/contract/records.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { copyFor, fillVolume, loadVolumeSnapshot, unmakeVolume } from './custom-volumes.ts'
import type { Context } from './steps.ts'

/** The source's uuid → the new record. */
type Along = readonly { from: string; record: VolumeSnapshotRecord }[]

export async function copySnapshots(context: Context<Kind>, along: Along): Promise<void> {
  for (const [at, { from, record }] of along.entries()) {
    await fillVolume(context, copyFor(record), (await loadVolumeSnapshot(context, from)).volume)
    context.progress(`Copying snapshot ${record.name}`, Math.round(((at + 1) / along.length) * 100))
  }
}

export async function unmakeSnapshots(context: Context<Kind>, along: Along): Promise<string> {
  for (const { record } of along) await unmakeVolume(context, record.volume)
  return 'Removed the new snapshots'
}
