/** A backup's tarball → images and volumes. It is read twice: once to see whether it is whole and sound, once for the engine. */
import type { Runs } from '../../contract/backup.ts'
import type { BackupContents, Backups, UnpackedPart } from '../../core/backups.ts'
import type { Images, Volumes } from '../../core/engine.ts'
import { parseBackupIndex } from './backup-index.ts'
import {
  fromBytes,
  inBytes,
  INSTANCE_FOLDER,
  rootOf,
  runsIn,
  snapshotFolder,
  volumeOf,
  type Run,
} from './backup-layout.ts'
import { inSilence, readBackup, requireRoots, surveyRoots, tarOf } from './backup-reading.ts'
import { runsOfLxd } from './root-runs.ts'
import type { TarEntry } from './tar-reader.ts'
import { probe, type Survey } from './tarball-format.ts'

export interface BackupUnpackParts {
  importTar: Images['importTar']
  writeVolume: Volumes['write']
  getFile: Volumes['getFile']
}

/** `read`, `survey` and `unpack` over a spool and the plain making of images. */
export function createBackupUnpack(parts: BackupUnpackParts): Omit<Backups, 'pack'> {
  const { getFile } = parts
  return {
    read: (kept, signal) =>
      readBackup({ getFile, kept, show: inSilence, signal }, parseBackupIndex, (contents) => contents),
    survey: (kept, show, signal) =>
      readBackup({ getFile, kept, show, signal }, parseBackupIndex, async (contents, entries) => {
        const probes = await surveyFiles(entries, rootsOf(contents))
        const runs = ({ windlass }: { windlass?: { runs: Runs } }, folder: string): Runs =>
          windlass?.runs ?? { ...UNSAID, ...runsOfLxd({ probes: probes.get(rootOf(folder)) ?? new Map() }, '') }
        return {
          instance: runs(contents.instance, INSTANCE_FOLDER),
          snapshots: contents.snapshots.map((one) => runs(one, snapshotFolder(one.name))),
        }
      }),
    unpack: (kept, { instance, snapshots }, show, signal) =>
      readBackup({ getFile, kept, show, signal }, parseBackupIndex, async (contents, entries) => {
        const images = new Map<string, string>()
        const folders = new Map([[INSTANCE_FOLDER, instance]])
        for (const [at, part] of snapshots.entries())
          folders.set(snapshotFolder(contents.snapshots[at]?.name ?? ''), part)
        for await (const run of runsIn(entries, rootsOf(contents).map(inBytes))) {
          const root = fromBytes(run.root)
          for (const [folder, part] of folders) {
            if (root === rootOf(folder)) images.set(folder, await importRoot(parts, run, part, signal))
            const volume = part.volumes.find((_, at) => root === volumeOf(folder, at))
            if (volume !== undefined) await parts.writeVolume(volume, tarOf(run), part.image.labels, signal)
          }
        }
        return {
          instance: images.get(INSTANCE_FOLDER) ?? '',
          snapshots: contents.snapshots.map(({ name }) => images.get(snapshotFolder(name)) ?? ''),
        }
      }),
  }
}

const UNSAID = { entrypoint: [], user: '', workdir: '', stopSignal: '' }

/** Where files of this backup lie; a root file system of each part must be there. */
function rootsOf({ instance, snapshots }: BackupContents): string[] {
  const parts = [
    { folder: INSTANCE_FOLDER, own: instance.windlass },
    ...snapshots.map(({ name, windlass }) => ({ folder: snapshotFolder(name), own: windlass })),
  ]
  return parts.flatMap(({ folder, own }) => [
    rootOf(folder),
    ...(own?.volumes ?? []).map((_, at) => volumeOf(folder, at)),
  ])
}

/** What is found about booting, by root. */
async function surveyFiles(entries: AsyncGenerator<TarEntry>, roots: string[]): Promise<Map<string, Survey['probes']>> {
  const probes = new Map<string, Survey['probes']>(roots.map((root) => [root, new Map()]))
  const found = await surveyRoots(entries, roots, (root, entry, name) =>
    probe({ probes: probes.get(root) ?? new Map() }, entry, name),
  )
  requireRoots(
    found,
    roots.filter((root) => root.endsWith('/rootfs/')),
  )
  return probes
}

function importRoot(parts: BackupUnpackParts, run: Run, { image }: UnpackedPart, signal?: AbortSignal) {
  const { labels, tag, runs } = image
  return parts.importTar(tarOf(run), { labels, tag, ...runs }, signal)
}
