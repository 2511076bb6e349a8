/** Images and backups as tarballs, over the engine's plain calls. */
import type { Backups } from '../../core/backups.ts'
import type { OwnLabels } from '../../core/container.ts'
import type { Images, Volumes } from '../../core/engine.ts'
import { createBackupPack } from './backup-pack.ts'
import { createBackupUnpack } from './backup-unpack.ts'
import { createHelper, removeHelper } from './helpers.ts'
import { createTarballImport, type ImportImages } from './tarball-import.ts'
import { createTarballPack } from './tarball-pack.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** `importTarball` and `packTarball`. */
export function createTarballs(
  wire: Wire,
  images: ImportImages,
  spool: Pick<Volumes, 'getFile' | 'putFile'>,
): Pick<Images, 'importTarball' | 'packTarball'> {
  return {
    importTarball: createTarballImport(images, spool),
    packTarball: createTarballPack({
      inspect: images.inspect,
      putFile: spool.putFile,
      exportRoot: (image, labels, signal) => exportRoot(wire, image, labels, signal),
    }),
  }
}

/** Backups, over the same. */
export function createBackups(
  wire: Wire,
  images: Pick<ImportImages, 'inspect' | 'importTar'>,
  volumes: Pick<Volumes, 'getFile' | 'putFile' | 'read' | 'write'>,
): Backups {
  return {
    ...createBackupUnpack({ importTar: images.importTar, writeVolume: volumes.write, getFile: volumes.getFile }),
    pack: createBackupPack({
      inspect: images.inspect,
      putFile: volumes.putFile,
      readVolume: volumes.read,
      exportRoot: (image, labels, signal) => exportRoot(wire, image, labels, signal),
    }),
  }
}

/** A container of the image that never runs has exactly its files. */
async function exportRoot(wire: Wire, image: string, labels: OwnLabels, signal?: AbortSignal) {
  const id = await createHelper(wire, { image, labels }, signal)
  try {
    const path = route`/containers/${id}/export`
    const tar = await wire.stream({ doing: `exporting image ${image}`, method: 'GET', path, signal })
    tar.once('close', () => void removeHelper(wire, id))
    return tar
  } catch (error) {
    await removeHelper(wire, id)
    throw error
  }
}
