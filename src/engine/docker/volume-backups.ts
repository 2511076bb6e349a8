/** Custom volumes with their snapshots → a backup's tarball, and back. A tarball is read twice, as those of instances are. */
import type { VolumeBackupContents, VolumeBackups } from '../../core/volume-backups.ts'
import type { Volumes } from '../../core/engine.ts'
import { formatVolumeIndex, parseVolumeIndex } from './backup-index.ts'
import { CUSTOM_ROOT, customSnapshotRoot, fromBytes, inBytes, INDEX, runsIn } from './backup-layout.ts'
import { inSilence, readBackup, requireRoots, surveyRoots, tarOf } from './backup-reading.ts'
import { copied, keepTar } from './backup-writing.ts'
import { TAR_END, tarFile } from './tar-writer.ts'

/** Over a spool, and the reading and writing of volumes. */
export function createVolumeBackups(volumes: Pick<Volumes, 'getFile' | 'putFile' | 'read' | 'write'>): VolumeBackups {
  const { getFile, putFile } = volumes
  return {
    pack: (backup, options, signal) =>
      keepTar(putFile, volumeTar(volumes.read, backup, options, signal), options, signal),
    read: (kept, signal) =>
      readBackup({ getFile, kept, show: inSilence, signal }, parseVolumeIndex, (contents) => contents),
    survey: (kept, show, signal) =>
      readBackup({ getFile, kept, show, signal }, parseVolumeIndex, async (contents, entries) => {
        const roots = rootsOf(contents)
        requireRoots(await surveyRoots(entries, roots), roots)
      }),
    unpack: (kept, { volume, snapshots }, show, signal) =>
      readBackup({ getFile, kept, show, signal }, parseVolumeIndex, async (contents, entries) => {
        const roots = rootsOf(contents)
        const targets = new Map(roots.map((root, at) => [root, at === 0 ? volume : snapshots[at - 1]]))
        const labels = { ...kept.labels, role: 'helper' } as const
        for await (const run of runsIn(entries, roots.map(inBytes))) {
          const target = targets.get(fromBytes(run.root))
          if (target !== undefined) await volumes.write(target, tarOf(run), labels, signal)
        }
      }),
  }
}

/** The volume's first, then its snapshots'. */
function rootsOf({ snapshots }: VolumeBackupContents): string[] {
  return [CUSTOM_ROOT, ...snapshots.map(({ name }) => customSnapshotRoot(name))]
}

/** The snapshots lie before the volume, as in LXD's. */
async function* volumeTar(
  readVolume: Volumes['read'],
  { volume, snapshots }: Parameters<VolumeBackups['pack']>[0],
  { labels, onProgress }: Parameters<VolumeBackups['pack']>[1],
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const index = formatVolumeIndex(
    volume.portrait,
    snapshots.map(({ portrait }) => portrait),
  )
  yield tarFile(INDEX, Buffer.from(index))
  const helper = { ...labels, role: 'helper' } as const
  for (const { portrait, volume: from } of snapshots) {
    onProgress(`Packing snapshot ${portrait.name}`)
    yield* copied(await readVolume(from, helper, signal), customSnapshotRoot(portrait.name))
  }
  onProgress('Packing the volume')
  yield* copied(await readVolume(volume.volume, helper, signal), CUSTOM_ROOT)
  yield TAR_END
}
