/** Containers made by others, shown in the project `docker`. */
import { type Devices, NEVER, type Role } from '../contract/common.ts'
import type { InstanceRecord } from '../contract/records.ts'
import type { ContainerDetail, ContainerSummary } from './container.ts'
import { forbidden } from './failure.ts'
import { RESERVED_PROJECT } from './names.ts'

/** Labels by which our own services (docker-compose.yml) are known; they are never shown. */
const SERVICE_LABEL = 'windlass.service'

/** Whether a container belongs into the project `docker`: not ours, and not one of our services. */
export function isShownAsForeign({ own, labels }: Pick<ContainerSummary, 'own' | 'labels'>): boolean {
  return own === undefined && labels[SERVICE_LABEL] === undefined
}

export function isForeign({ project }: { project: string }): boolean {
  return project === RESERVED_PROJECT
}

/**
 * A container made by others in the form of an instance: its uuid is the engine's id, its name the engine's name.
 * `architecture` is for those who show it.
 */
export function foreignRecord(member: string, container: ContainerSummary, architecture = ''): InstanceRecord {
  return {
    v: 1,
    rev: 0,
    uuid: container.id,
    project: RESERVED_PROJECT,
    name: container.name,
    member,
    container: container.id,
    image: '',
    engineImage: container.imageId,
    boot: 'application',
    architecture,
    description: container.image,
    config: {},
    devices: nicsOf(container),
    profiles: [],
    ephemeral: false,
    created_at: new Date(container.created).toISOString(),
    last_used_at: NEVER,
    power: container.status === 'running' ? 'running' : 'stopped',
    volumes: [],
  }
}

/** Networks of the engine that are none. */
const NO_NETWORK = new Set(['host', 'none'])

/** What it is attached to, in the order in which the engine gives the interfaces. */
function nicsOf({ networks }: ContainerSummary): Devices {
  const names = Object.keys(networks).filter((name) => !NO_NETWORK.has(name))
  return Object.fromEntries(
    names.toSorted().map((network, at) => [`eth${at}`, { type: 'nic', name: `eth${at}`, network }]),
  )
}

/** What the engine gives every container. */
const USUAL = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]

type Effective = Pick<
  ContainerDetail,
  'privileged' | 'binds' | 'mounts' | 'hostNamespaces' | 'hostDevices' | 'addedCapabilities'
>

/** Whether a role may start, stop, exec in or read the logs of it: exec in a privileged container is root on the host. */
export function foreignAllowed(role: Role, detail: Effective): boolean {
  return role === 'admin' || (role === 'operator' && riskOf(detail) === undefined)
}

/** The same, throwing forbidden with the reason. */
export function checkForeign(role: Role, detail: Effective): void {
  if (role === 'admin') return
  if (role === 'viewer') throw forbidden('The role viewer may only read')
  const risk = riskOf(detail)
  if (risk !== undefined)
    throw forbidden(`Not allowed for the role operator: this container ${risk}, which needs the role admin`)
}

/** What makes a container as good as the host, or undefined. */
function riskOf(detail: Effective): string | undefined {
  if (detail.privileged) return 'is privileged'
  const [namespace] = detail.hostNamespaces
  if (namespace !== undefined) return `shares the host's ${namespace} namespace`
  const capability = detail.addedCapabilities.find((name) => !USUAL.includes(name.toUpperCase().replace(/^CAP_/, '')))
  if (capability !== undefined) return `has the capability ${capability}`
  const [device] = detail.hostDevices
  if (device !== undefined) return `has the host's device ${device}`
  const path =
    detail.binds[0] ?? detail.mounts.find((mount) => mount.type !== 'volume' && mount.type !== 'tmpfs')?.source
  return path === undefined
    ? undefined
    : `has the host path ${path} (${SOCKET.test(path) ? 'a socket' : 'a bind mount'})`
}

const SOCKET = /\.sock(:|$)/

/** Why everything else is refused there. */
export function foreignRefusal(name: string): Error {
  return forbidden(
    `"${name}" was made by others. It can be read, started, stopped, executed in, its logs and files read; ` +
      `to manage one like it, publish its image and create an instance from that`,
  )
}
