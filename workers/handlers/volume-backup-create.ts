import type { VolumeRecord, VolumeSnapshotRecord } from '../../src/contract/records.ts'
import { backupVolume, type KeptFile } from '../../src/core/kept-files.ts'
import { dropBackup, keepBackup } from '../backups.ts'
import { fillVolume, loadVolume, unmakeVolume, type NewVolume } from '../custom-volumes.ts'
import type { Context, Handler } from '../steps.ts'
import { stillSteps } from '../still-users.ts'

type BackingUp = Context<'volume-backup.create'>

const still = stillSteps<'volume-backup.create'>()

/**
 * A custom volume and, unless they are not wanted, its snapshots as one tarball. Running instances that mount it stand
 * still while it is copied, and run on while the copy is packed.
 */
export const volumeBackupCreate: Handler<'volume-backup.create'> = {
  steps: [
    ...still.before,
    {
      name: 'copy',
      when: still.isNeeded,
      run: async (context) => fillVolume(context, copyOf(context), (await volumeOf(context)).volume),
      undo: (context) => unmakeVolume(context, copyOf(context).volume),
    },
    still.after,
    { name: 'pack', run: pack, undo: (context) => dropBackup(context, context.input.record) },
    { name: 'cleanup', when: still.isNeeded, run: (context) => unmakeVolume(context, copyOf(context).volume) },
  ],
  finish: async (context) => {
    const { record } = context.input
    const { size } = context.note('pack') as KeptFile // the step's own note
    return {
      changes: [
        { change: 'put', noun: 'volume-backup', record: { ...record, size, tarball: backupVolume(record.uuid) } },
      ],
      context: { type: 'custom' },
      project: record.project,
      observed: await still.observed(context),
    }
  },
}

const volumeOf = (context: BackingUp) => loadVolume(context, context.input.record.parent)

/** Until it is packed. */
function copyOf({ input: { record } }: BackingUp): NewVolume {
  const { uuid, project } = record
  return { role: 'helper', uuid, project, volume: `windlass-${uuid}` }
}

async function pack(context: BackingUp): Promise<KeptFile> {
  const { record } = context.input
  const volume = await volumeOf(context)
  const kept = (await context.records.list('volume-snapshot', volume.uuid)).filter(isClaimed(context))
  const contents = {
    volume: { portrait: portraitOf(volume), volume: still.isNeeded(context) ? copyOf(context).volume : volume.volume },
    snapshots: kept.map((one) => ({
      portrait: { ...portraitOf(one), expires_at: one.expires_at },
      volume: one.volume,
    })),
  }
  return keepBackup(context, record, (options) => context.engine.volumeBackups.pack(contents, options, context.signal))
}

/** One that was made since the backup was asked for may go at any moment. */
function isClaimed({ input: { record, snapshots } }: BackingUp) {
  return ({ uuid }: VolumeSnapshotRecord): boolean => !record.volume_only && snapshots?.includes(uuid) !== false
}

function portraitOf({ name, description, config, created_at }: VolumeRecord | VolumeSnapshotRecord) {
  return { name, description, config, created_at, content_type: 'filesystem', type: 'custom' }
}
