/** The instances a dialect sees: those of the project default, and the containers made by others, by any of their ids. */
import { notFound } from '../core/failure.ts'
import { hexIdOf, toInstanceName, uuidOf } from '../core/identity.ts'
import { RESERVED_PROJECT } from '../core/names.ts'
import type { RecordReader } from '../core/ports.ts'
import { mayEnter, type Caller } from './caller.ts'
import type { InstanceView, InstanceViews, Where } from './instance-views.ts'
import type { Nicknames } from './nicknames.ts'

const DEFAULT = 'default'

/** An instance with the ids that are derived from its uuid, and a dialect's own name for it. */
export interface Listed {
  view: InstanceView
  where: Where
  hex: string
  uuid: string
  /** The dialect's own name; the instance's name where it was made elsewhere. */
  nickname: string
  /** False where the dialect has given it none. */
  isNamed: boolean
}

export type Directory = ReturnType<typeof createDirectory>

export interface DirectoryDeps {
  views: Pick<InstanceViews, 'list' | 'get'>
  nicknames: Nicknames
  records: RecordReader
}

/** Digests are remembered, up to so many. */
const REMEMBERED = 100_000

export function createDirectory({ views, nicknames, records }: DirectoryDeps) {
  /** The uuid of an instance by its 64 hex digits, and the way back. */
  const uuids = new Map<string, string>()
  const digests = new Map<string, string>()

  /** By time of creation. */
  async function list(caller: Caller, dialect: string): Promise<Listed[]> {
    const [own, foreign, names] = await Promise.all([
      views.list(caller, DEFAULT),
      mayEnter(caller, RESERVED_PROJECT) ? views.list(caller, RESERVED_PROJECT) : [],
      nicknames.all(dialect),
    ])
    return [...own, ...foreign]
      .map((view) => toListed(view, names.get(view.record.uuid)))
      .toSorted((a, b) => (a.view.record.created_at < b.view.record.created_at ? -1 : 1))
  }

  /**
   * By the dialect's own name, a derived id, the engine's container id, the instance's name, or a unique prefix (4
   * characters or more) of an id. Not-found otherwise.
   */
  async function find(caller: Caller, dialect: string, reference: string): Promise<Listed> {
    const found = await look(caller, dialect, reference)
    if (found === undefined) throw notFound('Instance not found')
    return found
  }

  /** The same, undefined where there is none. */
  async function look(caller: Caller, dialect: string, reference: string): Promise<Listed | undefined> {
    return (await findAtOnce(caller, dialect, reference)) ?? findIn(await list(caller, dialect), reference)
  }

  /** Without a list of all, where the reference is one of our own instance's names or ids. */
  async function findAtOnce(caller: Caller, dialect: string, reference: string): Promise<Listed | undefined> {
    if (!mayEnter(caller, DEFAULT)) return undefined
    const named = await nicknames.find(dialect, reference)
    const byId = await records.get('instance', named ?? uuids.get(reference) ?? reference)
    const record = byId ?? (named === undefined ? await records.find('instance', DEFAULT, reference) : undefined)
    if (record?.project !== DEFAULT) return undefined
    const [view, nickname] = await Promise.all([views.get(caller, record), nicknames.of(dialect, record.uuid)])
    return toListed(view, nickname)
  }

  function toListed(view: InstanceView, nickname: string | undefined): Listed {
    const { uuid, name, project } = view.record
    const hex = digests.get(uuid) ?? hexIdOf(uuid)
    if (uuids.size > REMEMBERED) for (const known of [uuids, digests]) known.clear()
    uuids.set(hex, uuid)
    digests.set(uuid, hex)
    return {
      view,
      where: { project, name },
      hex,
      uuid: uuidOf(uuid),
      nickname: nickname ?? name,
      isNamed: nickname !== undefined,
    }
  }

  /** An instance name for a dialect's free name, with a suffix where it is taken. */
  async function instanceName(wanted: string): Promise<string> {
    const base = toInstanceName(wanted)
    const taken = new Set((await records.list('instance', DEFAULT)).map(({ name }) => name))
    for (let suffix = 2; ; suffix++) {
      const name = suffix === 2 ? base : `${base}-${suffix - 1}`
      if (!taken.has(name)) return name
    }
  }

  return { list, find, look, instanceName }
}

/** The same among a list, for many references at once; undefined where none or more than one is meant. */
export function findIn(all: readonly Listed[], reference: string): Listed | undefined {
  const exact =
    all.find(({ nickname }) => nickname === reference) ??
    all.find((one) => idsOf(one).includes(reference) || one.view.record.name === reference)
  if (exact !== undefined || reference.length < 4) return exact
  const [first, second] = all.filter((one) => idsOf(one).some((id) => id.startsWith(reference)))
  return second === undefined ? first : undefined
}

function idsOf({ view, hex, uuid }: Listed): string[] {
  return [hex, uuid, view.record.container].filter((id) => id !== '')
}
