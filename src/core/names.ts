/** What things may be called. Every parser returns the name or throws bad-request with LXD's text. */
import { badRequest } from './failure.ts'

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

/** A host name's rule: LXD's texts, to the letter. */
function hostnameFault(name: string): string | undefined {
  if (name.length < 1 || name.length > 63) return 'Name must be 1-63 characters long'
  if (name.startsWith('-')) return 'Name must not start with "-" character'
  if (/^[0-9]/.test(name)) return 'Name must not start with a number'
  if (name.endsWith('-')) return 'Name must not end with "-" character'
  if (!/^[-a-zA-Z0-9]+$/.test(name)) return 'Name can only contain alphanumeric and hyphen characters'
  return undefined
}

export function parseInstanceName(name: string): string {
  const fault = hostnameFault(name)
  if (fault !== undefined) throw badRequest(`Invalid instance name: ${fault}`)
  return name
}

/** A snapshot's own name, without its instance's. */
export function parseSnapshotName(name: string): string {
  if (name === '') throw badRequest('Invalid snapshot name: Cannot be empty')
  if (name.includes('/')) throw badRequest('Invalid snapshot name: Cannot contain "/"')
  if (/\s/.test(name)) throw badRequest('Invalid snapshot name: Cannot contain spaces')
  if (name === '.' || name === '..') throw badRequest(`Invalid snapshot name "${name}"`)
  return withinBounds('snapshot', name)
}

/** `c1/s0`, as copies and images name what they are made of; the snapshot is undefined for an instance itself. */
export function splitSource(source: string): { name: string; snapshotName: string | undefined } {
  const [name = '', ...rest] = source.split('/')
  return { name, snapshotName: rest.length === 0 ? undefined : rest.join('/') }
}

/** A backup's own name, without its instance's. */
export function parseBackupName(name: string): string {
  if (name === '') throw badRequest('No name provided')
  if (name.includes('/')) throw badRequest('Backup names may not contain slashes')
  if (/\s/.test(name)) throw badRequest('Invalid backup name: Cannot contain spaces')
  if (name === '.' || name === '..') throw badRequest(`Invalid backup name "${name}"`)
  return withinBounds('backup', name)
}

/** The name of the next backup of those who give none: LXD's `backup0`, `backup1` … */
export function backupNumberedName(existing: string[]): string {
  return `backup${nextNumber('backup', '', existing)}`
}

export function parseProfileName(name: string): string {
  if (name === '') throw badRequest('No name provided')
  if (name.includes('/')) throw badRequest('Profile names may not contain slashes')
  if (name === '.' || name === '..') throw badRequest(`Invalid profile name "${name}"`)
  return withinBounds('profile', name)
}

/** Stricter than LXD: a project's name is part of host names and of names on the engine. */
export function parseProjectName(name: string): string {
  if (name === '') throw badRequest('No name provided')
  if (name.includes('/')) throw badRequest('Project names may not contain slashes')
  if (name.includes(' ')) throw badRequest('Project names may not contain spaces')
  if (name.includes('_')) throw badRequest('Project names may not contain underscores')
  if (/['"]/.test(name)) throw badRequest('Project names may not contain quotes')
  if (name === '*' || name === RESERVED_PROJECT) throw badRequest('Reserved project name')
  if (!/^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$/.test(name) || name.includes('..') || name.length > 63)
    throw badRequest(
      `Invalid project name "${name}": Name can only contain 1-63 alphanumeric, hyphen and single dot characters, ` +
        'alphanumeric at both ends',
    )
  return name
}

/** The project under which containers made by others are shown. */
export const RESERVED_PROJECT = 'docker'

export function parseAliasName(name: string): string {
  if (name === '') throw badRequest('name and target are required')
  if (/^\s|\s$/.test(name)) throw badRequest('Invalid alias name: Cannot start or end with a space')
  return withinBounds('alias', name)
}

// Names of bridges and networks that every engine or host has.
const TAKEN_NETWORKS = ['lo', 'docker0', 'docker_gwbridge', 'bridge', 'host', 'none', 'default', 'ingress', 'container']

/** The name is also that of the bridge on the host, of which the kernel takes 15 characters. */
export function parseNetworkName(name: string): string {
  if (name === '') throw badRequest('No name provided')
  const fault = networkFault(name)
  if (fault !== undefined) throw badRequest(`Invalid network name: ${fault}`)
  return name
}

function networkFault(name: string): string | undefined {
  if (name.length < 2) return 'Network interface is too short (minimum 2 characters)'
  if (name.length > 15) return 'Network interface is too long (maximum 15 characters)'
  if (!/^[a-zA-Z0-9][-a-zA-Z0-9_.]+$/.test(name)) return 'Network interface contains invalid characters'
  if (TAKEN_NETWORKS.includes(name)) return `"${name}" is reserved`
  return undefined
}

export function parseVolumeName(name: string): string {
  if (name === '') throw badRequest('No name provided')
  if (name.includes('/')) throw badRequest('Invalid volume name: Cannot contain "/"')
  if (/\s/.test(name)) throw badRequest('Invalid volume name: Cannot contain spaces')
  if (name === '.' || name === '..') throw badRequest(`Invalid volume name "${name}"`)
  return withinBounds('volume', name)
}

function withinBounds(noun: string, name: string): string {
  if (name.length > 255) throw badRequest(`Invalid ${noun} name: Name must be 1-255 characters long`)
  if (CONTROL.test(name)) throw badRequest(`Invalid ${noun} name: Cannot contain control characters`)
  return name
}

/** What an instance's container is called: unique, since instance names have no dot. */
export function dockerName(project: string, name: string): string {
  return `${name}.${searchDomainOf(project)}`
}

/** The way back: undefined for what is no name of an instance of this project. */
export function parseDockerName(container: string, project: string): string | undefined {
  const domain = `.${searchDomainOf(project)}`
  const name = container.endsWith(domain) ? container.slice(0, -domain.length) : ''
  return hostnameFault(name) === undefined ? name : undefined
}

/** What follows an instance's name where others resolve it. */
export function searchDomainOf(project: string): string {
  return project === 'default' ? 'lxd' : `${project}.lxd`
}

/**
 * The name of the next snapshot by `snapshots.pattern`: `%d` becomes the lowest number above those in use; a name
 * without it that is taken gets `-<n>`; `{{ creation_date }}`, also `|date:'2006-01-02_15-04-05'`, is `at` in UTC.
 */
export function snapshotNumberedName(pattern: string, existing: string[], at: Date): string {
  const dated = (pattern === '' ? 'snap%d' : pattern).replace(
    /\{\{\s*creation_date\s*(?:\|\s*date:\s*['"]([^'"]*)['"]\s*)?\}\}/g,
    (_whole, layout: string | undefined) => inLayout(layout ?? '2006-01-02_15-04-05', at),
  )
  const parts = dated.split('%d')
  if (parts.length > 2) throw badRequest(`Snapshot pattern may contain '%d' only once`)
  if (parts.length === 1 && !existing.includes(dated)) return parseSnapshotName(dated)
  const [before, after] = parts.length === 2 ? [parts[0] ?? '', parts[1] ?? ''] : [`${dated}-`, '']
  return parseSnapshotName(`${before}${nextNumber(before, after, existing)}${after}`)
}

function nextNumber(before: string, after: string, existing: string[]): number {
  let next = 0
  for (const name of existing) {
    if (!name.startsWith(before) || !name.endsWith(after)) continue
    const number = name.slice(before.length, name.length - after.length)
    if (/^[0-9]{1,15}$/.test(number)) next = Math.max(next, Number(number) + 1)
  }
  return next
}

/** Go's layout, of which LXD's users know the reference time 2006-01-02 15:04:05. */
function inLayout(layout: string, at: Date): string {
  const [date = '', time = ''] = at.toISOString().split('T')
  const [year = '', month = '', day = ''] = date.split('-')
  const [hour = '', minute = '', second = ''] = time.slice(0, 8).split(':')
  const values: Record<string, string> = {
    '2006': year,
    '01': month,
    '02': day,
    '15': hour,
    '04': minute,
    '05': second,
  }
  return layout.replace(/2006|01|02|15|04|05/g, (token) => values[token] ?? token)
}
