/** What carries our labels, but nobody knows why: told as warnings, removed by nobody but people. */
import type { OwnLabels } from '../core/container.ts'
import { parseTag } from '../core/own-tags.ts'
import type { OperationStore, RecordStore, UnreadableRecord } from '../core/ports.ts'
import { explainsContainer, explainsNetwork, explainsTag, explainsVolume } from './leftovers.ts'
import type { Mend, Trouble, Warn } from './mend.ts'
import type { Sight } from './sight.ts'

const UNEXPLAINED = 'Unexplained object'
const MISSING = 'Missing container'
const UNREADABLE = 'Unreadable record'
/** Warnings of these types are the sweep's own: they are over when it finds the trouble no more. */
const OWN_TYPES: readonly string[] = [UNEXPLAINED, MISSING, UNREADABLE]

/** Notes trouble once. */
export interface Teller {
  warnings: Warn
  /** Keys of what has been told and is not over. */
  told: ReadonlySet<string>
}

/** `rebuilt` are uuids of which a record is being rebuilt. */
export function findUnexplained(teller: Teller, sight: Sight, rebuilt: ReadonlySet<string>): Mend[] {
  const { member } = sight.engine
  const isStrange = (own: OwnLabels | undefined): boolean =>
    own !== undefined &&
    // Who only looks has a helper of no operation.
    (own.role !== 'helper' || own.operation !== '') &&
    sight.maker(own) === 'unknown' &&
    !sight.known.unreadable.has(own.uuid) &&
    !rebuilt.has(own.uuid)
  const objects = [
    ...sight.containers
      .filter((one) => isStrange(one.own) && !explainsContainer(sight, one))
      .map(({ name }) => `container ${name}`),
    ...sight.volumes
      .filter(({ name, own }) => isStrange(own) && !explainsVolume(sight, name, own))
      .map(({ name }) => `volume ${name}`),
    ...sight.networks
      .filter(({ id, own }) => isStrange(own) && !explainsNetwork(sight, id))
      .map(({ name }) => `network ${name}`),
    ...sight.images
      .filter(({ own }) => isStrange(own))
      .flatMap((image) =>
        image.tags
          .filter((tag) => {
            const about = parseTag(tag)
            return about !== undefined && !rebuilt.has(about.uuid) && !explainsTag(sight, image, about)
          })
          .map((tag) => `image ${tag}`),
      ),
  ]
  return objects.map((object) =>
    telling(teller, {
      key: `unexplained:${member}:${object}`,
      type: UNEXPLAINED,
      severity: 'moderate',
      message: `The engine "${member}" has the ${object}, which carries labels of this deployment, but no record and no operation explains it. It is left alone; remove it with the engine's own tools if it is not needed`,
    }),
  )
}

/** Instances whose container somebody else has removed, or that were deleted after this Redis was saved. */
export async function findMissing(
  teller: Teller,
  deps: { store: Pick<OperationStore, 'busy'>; records: Pick<RecordStore, 'get'> },
  sight: Sight,
  rebuilt: ReadonlySet<string>,
): Promise<Mend[]> {
  const { member } = sight.engine
  const there = new Set(sight.containers.map(({ id }) => id))
  const missing = sight.known.instances.filter(
    (one) => one.member === member && !there.has(one.container) && !rebuilt.has(one.uuid),
  )
  const mends: Mend[] = []
  for (const { uuid, name, project, container } of missing) {
    // Its container may have been made since the engine was looked at, or goes with it, or makes room for another one.
    if ((await sight.engine.containers.inspect(container)) !== undefined) continue
    if ((await deps.store.busy(`instance:${uuid}`)) !== undefined) continue
    if ((await deps.records.get('instance', uuid))?.container !== container) continue
    const message = `The container of instance "${name}" is gone from the engine "${member}"; restore a snapshot or delete the instance`
    mends.push(telling(teller, { key: `missing:${uuid}:${name}`, type: MISSING, severity: 'high', message, project }))
  }
  return mends
}

/** Nothing of theirs is touched until a version that can read them comes back, or they are deleted. */
export function findUnreadable(teller: Teller, unreadable: UnreadableRecord[]): Mend[] {
  return unreadable.map(({ noun, uuid, reason }) =>
    telling(teller, {
      key: `unreadable:${noun}:${uuid}`,
      type: UNREADABLE,
      severity: 'high',
      message: `${reason} (${uuid}). It is left out of lists, and nothing of it is touched`,
    }),
  )
}

function telling({ warnings, told }: Teller, trouble: Trouble): Mend {
  return {
    action: 'tell',
    object: trouble.key.slice(trouble.key.lastIndexOf(':') + 1),
    reason: trouble.message,
    trouble: trouble.key,
    mend: async () => {
      if (told.has(trouble.key)) return false
      await warnings.raise(trouble)
      return true
    },
  }
}

/** Keys of the warnings of earlier sweeps that are not over. */
export async function toldBefore(records: Pick<RecordStore, 'list'>): Promise<Set<string>> {
  const known = await records.list('warning')
  const open = known.filter(({ type, status }) => OWN_TYPES.includes(type) && status !== 'resolved')
  return new Set(open.map(({ name }) => name))
}

/** Resolves those whose trouble was not found by this sweep. */
export async function settle({ warnings, told }: Teller, found: Mend[]): Promise<void> {
  const still = new Set(found.map(({ trouble }) => trouble))
  for (const key of told) if (!still.has(key)) await warnings.resolve(key)
}
