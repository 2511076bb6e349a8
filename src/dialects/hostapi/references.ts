/** What a path or a body means: raw ids as the first generations have them, or base64 of one as the last. */
import type { FastifyRequest } from 'fastify'
import type { SnapshotRecord } from '../../contract/records.ts'
import { notFound } from '../../core/failure.ts'
import { hexIdOf } from '../../core/identity.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import type { ImageView } from '../../services/image-lookup.ts'
import { callerOf, type DialectKit } from '../dialect.ts'
import { NO_CONTAINER, NO_IMAGE, NO_SNAPSHOT } from './errors.ts'
import { toTag } from './translate.ts'

export const NAME = 'hostapi'

/** Fewer characters of an id are no reference to it. */
const SHORTEST_PREFIX = 4

export interface FoundContainer {
  one: Listed
  /** Named in base64: the last generation, whose changes of state may be repeated. */
  isLater: boolean
}

export interface FoundSnapshot {
  of: Listed
  snapshot: SnapshotRecord
}

export function paramOf({ params }: FastifyRequest, name: 'ct' | 'sh' | 'img'): string {
  const given: Partial<Record<string, string>> = Object(params)
  return given[name] ?? ''
}

/** The container of the path. */
export function containerOf(kit: DialectKit, request: FastifyRequest): Promise<FoundContainer> {
  return findContainer(kit, callerOf(request), paramOf(request, 'ct'))
}

export async function findContainer(kit: DialectKit, caller: Caller, reference: string): Promise<FoundContainer> {
  for (const [at, text] of meanings(reference).entries()) {
    const one = await kit.services.directory.look(caller, NAME, text)
    if (one !== undefined) return { one, isLater: at > 0 }
  }
  throw notFound(NO_CONTAINER)
}

/** The snapshot of the path: of its container, or where it names none, of any. */
export async function snapshotOf(kit: DialectKit, request: FastifyRequest): Promise<FoundSnapshot> {
  const ct = paramOf(request, 'ct')
  const owners =
    ct === '' ? await kit.services.directory.list(callerOf(request), NAME) : [(await containerOf(kit, request)).one]
  const all = owners.flatMap((of) => of.view.snapshots.map((snapshot) => ({ of, snapshot })))
  for (const text of meanings(paramOf(request, 'sh'))) {
    const found = pick(all, text, ({ of, snapshot }) => ({
      ids: [hexIdOf(snapshot.uuid)],
      names: [snapshot.name, `${of.nickname}:snapshot_${snapshot.name}`, `${of.nickname}:snapshot-${snapshot.name}`],
    }))
    if (found !== undefined) return found
  }
  throw notFound(NO_SNAPSHOT)
}

/** An image of the project by its id, the beginning of one, or an alias; undefined where there is none. */
export async function findImage({ services }: DialectKit, caller: Caller, reference: string) {
  const all = await services.images.list(caller, 'default')
  for (const text of meanings(reference)) {
    const found = pick(all, text, idsOfImage)
    if (found !== undefined) return found
  }
  return undefined
}

/** The image of the path. */
export async function imageOf(kit: DialectKit, request: FastifyRequest): Promise<ImageView> {
  const found = await findImage(kit, callerOf(request), paramOf(request, 'img'))
  if (found === undefined) throw notFound(NO_IMAGE)
  return found
}

function idsOfImage({ record, aliases }: ImageView) {
  const names = aliases.flatMap(({ name }) => [name, toTag(name)])
  return { ids: [record.name], names: record.source === '' ? names : [...names, record.source] }
}

function pick<T>(all: T[], text: string, of: (one: T) => { ids: string[]; names: string[] }): T | undefined {
  const exact = all.filter((one) => [...of(one).ids, ...of(one).names].includes(text))
  if (exact.length > 0 || text.length < SHORTEST_PREFIX) return onlyOne(exact)
  return onlyOne(all.filter((one) => of(one).ids.some((id) => id.startsWith(text))))
}

function onlyOne<T>(found: T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined
}

/** As it stands, then what it says in base64 (standard alphabet, padded). */
function meanings(reference: string): string[] {
  const bytes = Buffer.from(reference, 'base64')
  const text = bytes.toString('utf8')
  const isEncoded = reference !== '' && bytes.toString('base64') === reference && Buffer.from(text).equals(bytes)
  return isEncoded ? [reference, text] : [reference]
}
