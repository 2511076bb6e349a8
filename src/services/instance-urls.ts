/** The URLs by which operations and events name instances and snapshots; another project than default is in the query. */
interface Named {
  project: string
  name: string
}

const inProject = (project: string): string => (project === 'default' ? '' : `?project=${encodeURIComponent(project)}`)

export function instanceUrl({ project, name }: Named, root = 'instances'): string {
  return `/1.0/${root}/${encodeURIComponent(name)}${inProject(project)}`
}

export function snapshotUrl({ project, name }: Named, snapshot: string, root = 'instances'): string {
  return `/1.0/${root}/${encodeURIComponent(name)}/snapshots/${encodeURIComponent(snapshot)}${inProject(project)}`
}

/** LXD's `resources` of an operation on instances: each under its new and its old name. */
export function instanceResources(...instances: Named[]): Record<string, string[]> {
  return {
    instances: instances.map((one) => instanceUrl(one)),
    containers: instances.map((one) => instanceUrl(one, 'containers')),
  }
}

export function snapshotResources(instance: Named, snapshot: string): Record<string, string[]> {
  return {
    ...instanceResources(instance),
    instances_snapshots: [snapshotUrl(instance, snapshot)],
  }
}

export function backupUrl({ project, name }: Named, backup: string, root = 'instances'): string {
  return `/1.0/${root}/${encodeURIComponent(name)}/backups/${encodeURIComponent(backup)}${inProject(project)}`
}

export function metadataUrl({ project, name }: Named, below = ''): string {
  return `/1.0/instances/${encodeURIComponent(name)}/metadata${below}${inProject(project)}`
}

export function logUrl({ project, name }: Named, log: string, root = 'instances'): string {
  return `/1.0/${root}/${encodeURIComponent(name)}/logs/${encodeURIComponent(log)}${inProject(project)}`
}

/** LXD's clients take the name of a new backup from this odd form. */
export function backupResources(instance: Named, backup: string): Record<string, string[]> {
  return { ...instanceResources(instance), backups: [`/1.0/backups/${backup}`] }
}
