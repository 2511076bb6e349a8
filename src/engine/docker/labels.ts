/** Docker labels under `windlass.` that say whose an object is. */
import type { ObjectRole, OwnLabels } from '../../core/container.ts'

const PREFIX = 'windlass.'
const KEYS = ['deployment', 'role', 'uuid', 'project', 'operation', 'step', 'origin'] as const

/** The kind of engine object a label is read from. */
export type Kind = 'container' | 'image' | 'volume' | 'network'

const ROLES: readonly ObjectRole[] = [
  'instance',
  'snapshot',
  'backup',
  'image',
  'volume',
  'network',
  'tarball',
  'output',
  'helper',
]

/**
 * Labels go down from an image to its containers and up from a container to a commit of it: a container that says
 * `snapshot`, or an image that says `instance`, was made by somebody else from an object of ours.
 */
const INHERITED: Readonly<Record<Kind, readonly ObjectRole[]>> = {
  container: ['snapshot', 'image'],
  image: ['instance'],
  volume: [],
  network: [],
}

/** All labels of ours, each one set: an unset one would be inherited. */
export function toDockerLabels(own: OwnLabels): Record<string, string> {
  return Object.fromEntries(KEYS.map((key) => [PREFIX + key, own[key]]))
}

/** What our labels say; undefined unless all are there, the deployment is this one and the role fits the object. */
export function fromDockerLabels(
  labels: Readonly<Record<string, string>>,
  kind: Kind,
  deployment: string,
): OwnLabels | undefined {
  const read = (key: (typeof KEYS)[number]): string | undefined => labels[PREFIX + key]
  if (KEYS.some((key) => read(key) === undefined)) return undefined
  const role = ROLES.find((known) => known === read('role'))
  const isOurs = read('deployment') === deployment && read('uuid') !== ''
  if (role === undefined || !isOurs || INHERITED[kind].includes(role)) return undefined
  return {
    deployment,
    role,
    uuid: read('uuid') ?? '',
    project: read('project') ?? '',
    operation: read('operation') ?? '',
    step: read('step') ?? '',
    origin: read('origin') ?? '',
  }
}

/** Whether an object of this kind may be made with this role; the other ones could not be told from inherited ones. */
export function isRoleOf(role: ObjectRole, kind: Kind): boolean {
  return !INHERITED[kind].includes(role)
}

/** The engine's `filters` argument for objects of this deployment that carry all of these labels. */
export function labelFilter(labels: Partial<OwnLabels>, deployment: string): string {
  const wanted: Partial<OwnLabels> = { deployment, ...labels }
  const pairs = KEYS.flatMap((key) => (wanted[key] === undefined ? [] : [`${PREFIX}${key}=${wanted[key]}`]))
  return JSON.stringify({ label: pairs })
}
