/** `backup/index.yaml`: what a backup says of itself, in LXD's words. */
import Schema from 'typebox/schema'
import { BackupIndex, type InstancePortrait, type SnapshotPortrait } from '../../contract/backup.ts'
import type { BackupContents } from '../../core/backups.ts'
import { badRequest } from '../../core/failure.ts'
import { checkMetadata } from '../../core/guest.ts'
import { parseYaml } from './lxd-metadata.ts'

/** Bytes; of an instance with hundreds of snapshots. */
export const MAX_INDEX = 4 * 1024 * 1024

const decoder = Schema.Compile(BackupIndex)

/** The text of a backup's index: JSON, which every reader of YAML reads, and which can be parsed at any size. */
export function formatBackupIndex(instance: InstancePortrait, snapshots: SnapshotPortrait[]): string {
  const index = {
    name: instance.name,
    backend: 'docker',
    pool: 'default',
    type: 'container',
    optimized: false,
    optimized_header: false,
    snapshots: snapshots.map(({ name }) => name),
    config: { container: instance, snapshots },
  }
  return `${JSON.stringify(index, undefined, 2)}\n`
}

/** Bad-request, naming what is wrong, for what is no index of an instance's backup that can be unpacked here. */
export function parseBackupIndex(text: string): BackupContents {
  const index = parse(text)
  if (!decoder.Check(index)) throw badRequest(`The backup's index.yaml is invalid: ${faultOf(index)}`)
  const { type, optimized, config, snapshots: names } = index
  if (type && type !== 'container')
    throw badRequest(`A backup of the type "${type}" cannot be restored on Docker Engine`)
  if (optimized === true)
    throw badRequest('The backup is in the optimized form of a storage driver; export it without --optimized-storage')
  const snapshots = config.snapshots ?? []
  const own = snapshots.map(ownName)
  // Those that LXD's index lists without telling of them are not in the tarball, or lie there by another name.
  if (
    names != null &&
    names.toSorted().join('/') !==
      own
        .map(({ name }) => name)
        .toSorted()
        .join('/')
  )
    throw badRequest("The backup's index.yaml lists other snapshots than it describes")
  if (new Set(own.map(({ name }) => name)).size < own.length)
    throw badRequest("The backup's index.yaml describes a snapshot twice")
  for (const { windlass } of [config.container, ...own])
    if (windlass?.metadata !== undefined) checkMetadata(windlass.metadata)
  return { instance: config.container, snapshots: own }
}

/** LXD's are called `instance/snapshot` in some versions. */
function ownName(snapshot: SnapshotPortrait): SnapshotPortrait {
  return { ...snapshot, name: snapshot.name.slice(snapshot.name.indexOf('/') + 1) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parseYaml(text, "The backup's index.yaml")
  }
}

function faultOf(index: unknown): string {
  const [first] = decoder.Errors(index)[1]
  return first === undefined ? 'it is not as expected' : `${first.instancePath || 'it'} ${first.message}`
}
