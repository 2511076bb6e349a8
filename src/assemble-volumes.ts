/** The services of custom storage volumes, their copies and their snapshots. */
import { createVolumeCopies } from './services/volume-copies.ts'
import { createVolumeFinder, type VolumeFinderDeps } from './services/volume-finder.ts'
import { createVolumeSnapshots, type VolumeSnapshotsDeps } from './services/volume-snapshots.ts'
import { createVolumes } from './services/volumes.ts'

type Shared = VolumeFinderDeps & Omit<VolumeSnapshotsDeps, 'finder'>

export function assembleVolumes(shared: Shared) {
  const finder = createVolumeFinder(shared)
  const whole = { ...shared, finder }
  return {
    volumes: createVolumes(whole),
    volumeCopies: createVolumeCopies(whole),
    volumeSnapshots: createVolumeSnapshots(whole),
  }
}
