/** The URLs by which `used_by` and events name profiles, networks, volumes, images and projects. */
interface Named {
  project: string
  name: string
}

const inProject = (project: string): string => (project === 'default' ? '' : `?project=${encodeURIComponent(project)}`)

export function profileUrl({ project, name }: Named): string {
  return `/1.0/profiles/${encodeURIComponent(name)}${inProject(project)}`
}

export function imageUrl({ project, name }: Named): string {
  return `/1.0/images/${encodeURIComponent(name)}${inProject(project)}`
}

/** Networks belong to the project default and are seen from every other one. */
export function networkUrl(name: string): string {
  return `/1.0/networks/${encodeURIComponent(name)}`
}

export function projectUrl(name: string): string {
  return `/1.0/projects/${encodeURIComponent(name)}`
}

/** A custom volume of the one pool. */
export function volumeUrl({ project, name }: Named): string {
  return `${customVolume(name)}${inProject(project)}`
}

/** Of an instance's root disk, which goes by the instance's name. */
export function rootVolumeUrl({ project, name }: Named): string {
  return `${rootVolume(name)}${inProject(project)}`
}

export function rootSnapshotUrl({ project, name }: Named, snapshot: string): string {
  return `${rootVolume(name)}/snapshots/${encodeURIComponent(snapshot)}${inProject(project)}`
}

export function volumeSnapshotUrl({ project, name }: Named, snapshot: string): string {
  return `${customVolume(name)}/snapshots/${encodeURIComponent(snapshot)}${inProject(project)}`
}

export function volumeBackupUrl({ project, name }: Named, backup: string): string {
  return `${customVolume(name)}/backups/${encodeURIComponent(backup)}${inProject(project)}`
}

function rootVolume(name: string): string {
  return `/1.0/storage-pools/default/volumes/container/${encodeURIComponent(name)}`
}

function customVolume(name: string): string {
  return `/1.0/storage-pools/default/volumes/custom/${encodeURIComponent(name)}`
}
