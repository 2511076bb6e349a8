/** The services of custom storage volumes, their copies, snapshots and backups. */
import { createVolumeBackups, type VolumeBackupsDeps } from './services/volume-backups.ts'
import { createVolumeCopies } from './services/volume-copies.ts'
import { createVolumeFinder, type VolumeFinderDeps } from './services/volume-finder.ts'
import { createVolumeImport, type VolumeImportDeps } from './services/volume-import.ts'
import { createVolumeSnapshots, type VolumeSnapshotsDeps } from './services/volume-snapshots.ts'
import { createVolumes } from './services/volumes.ts'

type Shared = VolumeFinderDeps & Omit<VolumeSnapshotsDeps & VolumeBackupsDeps & VolumeImportDeps, 'finder'>

export function assembleVolumes(shared: Shared) {
  const finder = createVolumeFinder(shared)
  const whole = { ...shared, finder }
  return {
    volumes: createVolumes(whole),
    volumeCopies: createVolumeCopies(whole),
    volumeSnapshots: createVolumeSnapshots(whole),
    volumeBackups: createVolumeBackups(whole),
    volumeImports: createVolumeImport(whole),
  }
}
