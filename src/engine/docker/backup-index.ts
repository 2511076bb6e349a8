/** `backup/index.yaml`: what a backup says of itself, in LXD's words. */
import Schema from 'typebox/schema'
import { BackupIndex, type InstancePortrait, type SnapshotPortrait } from '../../contract/backup.ts'
import { VolumeBackupIndex, type VolumePortrait, type VolumeSnapshotPortrait } from '../../contract/volume-backup.ts'
import type { BackupContents } from '../../core/backups.ts'
import type { VolumeBackupContents } from '../../core/volume-backups.ts'
import { badRequest } from '../../core/failure.ts'
import { checkMetadata } from '../../core/guest.ts'
import { parseYaml } from './lxd-metadata.ts'

/** Bytes; of an instance with hundreds of snapshots. */
export const MAX_INDEX = 4 * 1024 * 1024

const decoder = Schema.Compile(BackupIndex)
const volumeDecoder = Schema.Compile(VolumeBackupIndex)

/** The text of a backup's index: JSON, which every reader of YAML reads, and which can be parsed at any size. */
export function formatBackupIndex(instance: InstancePortrait, snapshots: SnapshotPortrait[]): string {
  return formatIndex('container', instance.name, snapshots, { container: instance, snapshots })
}

/** The same of a custom volume's. */
export function formatVolumeIndex(volume: VolumePortrait, snapshots: VolumeSnapshotPortrait[]): string {
  return formatIndex('custom', volume.name, snapshots, { volume, volume_snapshots: snapshots })
}

function formatIndex(type: string, name: string, snapshots: { name: string }[], config: object): string {
  const index = {
    name,
    backend: 'docker',
    pool: 'default',
    type,
    optimized: false,
    optimized_header: false,
    snapshots: snapshots.map((one) => one.name),
    config,
  }
  return `${JSON.stringify(index, undefined, 2)}\n`
}

/** Bad-request, naming what is wrong, for what is no index of an instance's backup that can be unpacked here. */
export function parseBackupIndex(text: string): BackupContents {
  const index = parse(text)
  requireType(index, 'container', 'an instance')
  if (!decoder.Check(index)) throw badRequest(`The backup's index.yaml is invalid: ${faultOf(decoder, index)}`)
  const { config } = index
  const snapshots = checkedSnapshots(index, config.snapshots ?? [])
  for (const { windlass } of [config.container, ...snapshots])
    if (windlass?.metadata !== undefined) checkMetadata(windlass.metadata)
  return { instance: config.container, snapshots }
}

/** The same of a custom volume's. */
export function parseVolumeIndex(text: string): VolumeBackupContents {
  const index = parse(text)
  requireType(index, 'custom', 'a storage volume')
  if (!volumeDecoder.Check(index))
    throw badRequest(`The backup's index.yaml is invalid: ${faultOf(volumeDecoder, index)}`)
  const { volume, volume_snapshots: told } = index.config
  const content = volume.content_type || 'filesystem'
  if (content !== 'filesystem')
    throw badRequest(`Storage volumes of content type "${content}" are not possible on Docker Engine`)
  return { volume, snapshots: checkedSnapshots(index, told ?? []) }
}

/** One that does not say is an instance's, as LXD takes it. */
function requireType(index: unknown, wanted: string, noun: string): void {
  const { type }: { type?: unknown } = typeof index === 'object' && index !== null ? index : {}
  const told = type === undefined || type === null || type === '' ? 'container' : type
  if (told !== wanted)
    throw badRequest(`A backup of the type ${JSON.stringify(told).slice(0, 100)} is no backup of ${noun}`)
}

/** What both indexes tell alike. */
interface Told {
  optimized?: boolean | null
  snapshots?: string[] | null
}

function checkedSnapshots<S extends { name: string }>({ optimized, snapshots: names }: Told, snapshots: S[]): S[] {
  if (optimized === true)
    throw badRequest('The backup is in the optimized form of a storage driver; export it without --optimized-storage')
  const own = snapshots.map((one) => ({ ...one, name: ownName(one.name) }))
  const told = own.map(({ name }) => name)
  // Those that LXD's index lists without telling of them are not in the tarball, or lie there by another name.
  if (names != null && names.map(ownName).toSorted().join('/') !== told.toSorted().join('/'))
    throw badRequest("The backup's index.yaml lists other snapshots than it describes")
  if (new Set(told).size < told.length) throw badRequest("The backup's index.yaml describes a snapshot twice")
  return own
}

/** LXD's are called `instance/snapshot` in some versions. */
function ownName(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parseYaml(text, "The backup's index.yaml")
  }
}

function faultOf(check: typeof decoder | typeof volumeDecoder, index: unknown): string {
  const [first] = check.Errors(index)[1]
  return first === undefined ? 'it is not as expected' : `${first.instancePath || 'it'} ${first.message}`
}
