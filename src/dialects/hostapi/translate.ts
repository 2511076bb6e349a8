/** Our views in Docker's words of 2015, and back. */
import { NEVER } from '../../contract/common.ts'
import type { SnapshotRecord } from '../../contract/records.ts'
import { effectiveDevices } from '../../core/expand.ts'
import { hexIdOf } from '../../core/identity.ts'
import { toPorts } from '../../core/proxy-device.ts'
import type { Listed } from '../../services/directory.ts'
import type { ImageView } from '../../services/image-lookup.ts'
import type { Container, Image } from './wire.ts'

export type ContainerStatus = Container['status']

const STATUS: Record<Listed['view']['status']['status'], ContainerStatus> = {
  Running: 'running',
  Frozen: 'suspended',
  Stopped: 'stopped',
  Error: 'stopped',
}

export function statusOf({ view }: Listed): ContainerStatus {
  return STATUS[view.status.status]
}

/** `images` are those by which a container's image is named; `now` in milliseconds. */
export function toContainer(one: Listed, images: ImageView[], now: number): Container {
  const { view, hex } = one
  const { record, config } = view
  return {
    pk: hex,
    status: statusOf(one),
    Id: hex,
    Names: namesOf(one).map((name) => `/${name}`),
    Image: imageName(one, images),
    Command: config['raw.docker.command'] ?? '',
    Created: toSeconds(record.created_at),
    Status: inWords(one, now),
    Ports: portsOf(one),
    Labels: {},
  }
}

/** The name by which this dialect knows it first. */
function namesOf({ nickname, where }: Listed): string[] {
  return nickname === where.name ? [nickname] : [nickname, where.name]
}

function imageName({ view }: Listed, images: ImageView[]): string {
  const { image, description, container } = view.record
  // Of a container made by others its description says what the engine calls its image.
  if (image === '' && container === view.record.uuid) return description
  const known = images.find(({ record }) => record.name === image)
  return known?.aliases[0]?.name ?? (known?.record.source || image)
}

function portsOf({ view }: Listed): Container['Ports'] {
  return Object.values(effectiveDevices(view.devices))
    .filter((device) => device['type'] === 'proxy')
    .flatMap((device) => toPorts(device))
    .map(({ listen, hostPort, containerPort, protocol }) => ({
      IP: listen === '' ? '0.0.0.0' : listen,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: protocol,
    }))
}

/** Docker's sentence, as far as it is known here. */
function inWords(one: Listed, now: number): string {
  const { last_used_at: started } = one.view.record
  const status = statusOf(one)
  if (status === 'stopped') return started === NEVER ? '' : 'Exited'
  const up = started === NEVER ? 'Up' : `Up ${ago(now - Date.parse(started))}`
  return status === 'suspended' ? `${up} (Paused)` : up
}

const UNITS: [string, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

function ago(milliseconds: number): string {
  const seconds = Math.max(1, Math.floor(milliseconds / 1000))
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1]
  const count = Math.floor(seconds / length)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

export function toImage({ record, aliases }: ImageView): Image {
  return {
    pk: record.name,
    Id: record.name,
    ParentId: '',
    RepoTags: [...aliases.map(({ name }) => toTag(name)), ...(record.source === '' ? [] : [record.source])],
    Created: toSeconds(record.created_at),
    Size: record.size,
    VirtualSize: record.size,
    Labels: record.properties,
  }
}

/** An alias as a tag of Docker's: `busybox` is `busybox:latest`. */
export function toTag(alias: string): string {
  return alias.slice(alias.lastIndexOf('/') + 1).includes(':') ? alias : `${alias}:latest`
}

export function toSnapshot(of: Listed, snapshot: SnapshotRecord): Image {
  const id = hexIdOf(snapshot.uuid)
  const size = Math.max(0, snapshot.size)
  return {
    pk: id,
    Id: id,
    ParentId: '',
    RepoTags: [`${of.nickname}:snapshot_${snapshot.name}`],
    Created: toSeconds(snapshot.created_at),
    Size: size,
    VirtualSize: size,
    Labels: {},
  }
}

function toSeconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}
