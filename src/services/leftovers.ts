/**
 * Removes what ended operations have left in the engines: what a call still made whose worker had died, what was in
 * use when it was to go. Only what carries the label of an operation that the store knows as ended, and what no record
 * points to; everything else is left alone, whoever's it is.
 */
import type { OwnLabels } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { isFinal } from '../core/operation-states.ts'
import type { Clock, OperationStore, RecordReader } from '../core/ports.ts'
import type { Inventory } from './inventory.ts'

export interface LeftoversDeps {
  records: RecordReader
  store: Pick<OperationStore, 'getMany'>
  engines: ReadonlyMap<string, Pick<Engine, 'containers' | 'volumes' | 'images'>>
  inventory: Pick<Inventory, 'member'>
  clock: Clock
  onRemoved(what: string, operation: string): void
}

type SweptEngine = Pick<Engine, 'containers' | 'volumes' | 'images'>

interface Found {
  name: string
  own: OwnLabels | undefined
}

/** What records point to. */
interface Explained {
  containers: Set<string>
  volumes: Set<string>
  /** uuids of instances, snapshots and images. */
  uuids: Set<string>
}

const EVERY = 30_000

/** One look at every member at most every 30 s, however often it is called. */
export function createLeftovers(deps: LeftoversDeps): () => Promise<void> {
  const { records, store, engines, inventory, clock } = deps
  let last = 0

  async function look(): Promise<void> {
    if (clock.now() - last < EVERY) return
    last = clock.now()
    for (const [member, engine] of engines) {
      if (!inventory.member(member).online) continue
      await sweepContainers(engine)
      await sweepVolumes(engine)
      await sweepTags(engine)
    }
  }

  async function sweepContainers({ containers }: SweptEngine): Promise<void> {
    const found = (await containers.find({})).map(({ id, own }) => ({ name: id, own }))
    for (const { name, own } of await unexplained(found, (one, known) => known.containers.has(one.name))) {
      await containers.remove(name, { force: true })
      deps.onRemoved(`container ${name}`, own?.operation ?? '')
    }
  }

  async function sweepVolumes({ volumes }: SweptEngine): Promise<void> {
    for (const { name, own } of await unexplained(await volumes.find({}), isKnownVolume))
      if ((await volumes.remove(name)) === 'removed') deps.onRemoved(`volume ${name}`, own?.operation ?? '')
  }

  /** Tags that hold an image while containers of it are there: refused by the engine as long as one is. */
  async function sweepTags({ images }: SweptEngine): Promise<void> {
    const tags = (await images.list()).flatMap((image) => image.tags)
    const temporary = tags.flatMap((tag) => {
      const [, operation] = /^windlass\/operation:(.+)$/.exec(tag) ?? []
      return operation === undefined ? [] : [{ tag, operation }]
    })
    const over = await ended(temporary.map(({ operation }) => operation))
    const { uuids } = await explained()
    const kept = tags.filter(
      (tag) => tag.startsWith('windlass/kept:') && !uuids.has(tag.slice('windlass/kept:'.length)),
    )
    for (const tag of [...temporary.filter(({ operation }) => over.has(operation)).map((one) => one.tag), ...kept])
      if ((await images.untag(tag)) === 'removed') deps.onRemoved(`tag ${tag}`, '')
  }

  /** The records are read after the operations: an end that was seen has written what it has to say. */
  async function unexplained<T extends Found>(
    found: T[],
    isKnown: (one: T, known: Explained) => boolean,
  ): Promise<T[]> {
    const before = await explained()
    const suspects = found.filter((one) => one.own !== undefined && !isKnown(one, before))
    if (suspects.length === 0) return []
    const over = await ended(suspects.map(({ own }) => own?.operation ?? ''))
    const after = await explained()
    return suspects.filter((one) => over.has(one.own?.operation ?? '') && !isKnown(one, after))
  }

  async function ended(operations: string[]): Promise<Set<string>> {
    const known = await store.getMany([...new Set(operations)].filter((id) => id !== ''))
    return new Set(known.filter(({ state }) => isFinal(state)).map(({ id }) => id))
  }

  async function explained(): Promise<Explained> {
    const [instances, snapshots, images, volumes] = await Promise.all([
      records.list('instance'),
      records.list('snapshot'),
      records.list('image'),
      records.list('volume'),
    ])
    return {
      containers: new Set(instances.map(({ container }) => container)),
      volumes: new Set([
        ...[...instances, ...snapshots].flatMap((one) => one.volumes.map(({ volume }) => volume)),
        ...images.map(({ tarball }) => tarball),
        ...volumes.map(({ volume }) => volume),
      ]),
      uuids: new Set([...instances, ...snapshots, ...images].map(({ uuid }) => uuid)),
    }
  }

  return look
}

/** A command's output belongs to its instance. */
function isKnownVolume({ name, own }: Found, known: Explained): boolean {
  return known.volumes.has(name) || (own?.role === 'output' && known.uuids.has(own.uuid))
}
