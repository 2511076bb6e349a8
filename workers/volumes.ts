/** Volumes that belong to one instance or snapshot: made, copied and removed with it. */
import type { InstanceRecord, OwnVolume } from '../src/contract/records.ts'
import { missingVolumes } from '../src/core/container-spec.ts'
import type { ObjectRole } from '../src/core/container.ts'
import { expandConfig, expandDevices } from '../src/core/expand.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { loadProfiles } from './containers.ts'
import type { Context, Step } from './steps.ts'

interface Owner {
  role: ObjectRole
  uuid: string
  project: string
}

/** The same name in each attempt, so that making it again finds it. */
function volumeName(context: Context<Kind>, owner: Owner, at: number): string {
  return `windlass-${owner.uuid}-${context.operation.id.slice(-12)}-${at}`
}

/** One empty volume per path; `first` of the owner's are made already. */
export async function makeVolumes(
  context: Context<Kind>,
  owner: Owner,
  paths: string[],
  first = 0,
): Promise<OwnVolume[]> {
  const volumes: OwnVolume[] = []
  for (const [at, path] of paths.entries()) {
    const volume = volumeName(context, owner, first + at)
    await context.engine.volumes.create(volume, context.labels({ ...owner, origin: { path } }), context.signal)
    volumes.push({ path, volume })
  }
  return volumes
}

/** A copy of each volume, for another owner. A copy cut off in an earlier attempt is made anew. */
export async function copyVolumes(context: Context<Kind>, owner: Owner, from: OwnVolume[]): Promise<OwnVolume[]> {
  const { engine, signal } = context
  if (context.again) await unmakeVolumes(context, owner)
  const copies = await makeVolumes(
    context,
    owner,
    from.map(({ path }) => path),
  )
  for (const [at, source] of from.entries()) {
    const copy = copies[at]
    if (copy === undefined) continue
    await engine.volumes.copy(source.volume, copy.volume, context.labels({ ...owner, role: 'helper' }), signal)
    context.progress(`Copying volume ${source.path}`, Math.round(((at + 1) / from.length) * 100))
  }
  return copies
}

/** Paths at which the instance, as it is to become, lacks a volume beside those it has at `paths`. */
export async function lackedPaths(
  context: Context<Kind>,
  next: InstanceRecord,
  paths: readonly string[] | Promise<readonly string[]>,
): Promise<string[]> {
  const [profiles, known] = await Promise.all([loadProfiles(context, next), paths])
  const expanded = { config: expandConfig(profiles, next.config), devices: expandDevices(profiles, next.devices) }
  return missingVolumes(expanded, known)
}

type Copying = 'instance.copy' | 'instance.refresh' | 'snapshot.restore'

interface Needs {
  volumes: number
}

/**
 * The steps that give a new owner its volumes: copies, and an empty one for each path that it lacks beside them. Where
 * none is needed the second is left out.
 */
export function volumeSteps<K extends Copying>(of: {
  owner(context: Context<K>): Pick<Owner, 'uuid' | 'project'>
  next(context: Context<K>): Promise<InstanceRecord>
  from(context: Context<K>): Promise<OwnVolume[]>
}): Step<K>[] {
  const needs: Step<K> = {
    name: 'needs',
    run: async (context): Promise<Needs> => {
      const [next, from] = await Promise.all([of.next(context), of.from(context)])
      const lacked = await lackedPaths(
        context,
        next,
        from.map(({ path }) => path),
      )
      return { volumes: from.length + lacked.length }
    },
    lasts: (found) => (found as Needs).volumes === 0, // the step's own note
  }
  const volumes: Step<K> = {
    name: 'volumes',
    when: (context) => (context.note('needs') as Needs).volumes > 0, // the step's own note
    run: async (context) => copyAndComplete(context, await of.next(context), await of.from(context)),
    undo: (context) => unmakeVolumes(context, { role: 'volume', ...of.owner(context) }),
  }
  return [needs, volumes]
}

/** What these steps have made. */
export function newVolumes(context: Context<Kind>): OwnVolume[] {
  return (context.note('volumes') ?? []) as OwnVolume[] // the step's own note
}

/** Copies of volumes, and an empty one for each path that a new owner lacks beside them. */
async function copyAndComplete(context: Context<Kind>, next: InstanceRecord, from: OwnVolume[]): Promise<OwnVolume[]> {
  const owner = { role: 'volume', uuid: next.uuid, project: next.project } as const
  const copies = await copyVolumes(context, owner, from)
  const lacked = await lackedPaths(
    context,
    next,
    from.map(({ path }) => path),
  )
  return [...copies, ...(await makeVolumes(context, owner, lacked, copies.length))]
}

/** Paths of those volumes that have no counterpart: they are new. */
export function freshPaths(volumes: OwnVolume[], from: OwnVolume[]): string[] {
  const copied = new Set(from.map(({ path }) => path))
  return volumes.map(({ path }) => path).filter((path) => !copied.has(path))
}

/** Removes what this operation made for this owner. */
export async function unmakeVolumes(context: Context<Kind>, owner: Owner): Promise<string | undefined> {
  const labels = { operation: context.operation.id, uuid: owner.uuid, role: owner.role }
  const made = await context.engine.volumes.find(labels, context.signal)
  for (const volume of made) await context.engine.volumes.remove(volume.name, context.signal)
  return made.length === 0 ? undefined : `Removed ${made.length} new volume${made.length === 1 ? '' : 's'}`
}

/** Removes volumes of something that is no more. One that is still in use is told, and left to the sweeper. */
export async function removeVolumes(context: Context<Kind>, volumes: OwnVolume[]): Promise<void> {
  for (const { volume } of volumes) {
    const outcome = await context.engine.volumes.remove(volume, context.signal)
    if (outcome === 'in-use') context.warn(`Volume ${volume} is still in use and was left`)
  }
}
