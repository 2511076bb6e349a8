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
}

export type Directory = ReturnType<typeof createDirectory>

export interface DirectoryDeps {
  views: Pick<InstanceViews, 'list'>
  nicknames: Nicknames
  records: RecordReader
}

export function createDirectory({ views, nicknames, records }: DirectoryDeps) {
  /** By time of creation. */
  async function list(caller: Caller, dialect: string): Promise<Listed[]> {
    const [own, foreign, names] = await Promise.all([
      views.list(caller, DEFAULT),
      mayEnter(caller, RESERVED_PROJECT) ? views.list(caller, RESERVED_PROJECT) : [],
      nicknames.all(dialect),
    ])
    return [...own, ...foreign]
      .map((view) => toListed(view, names))
      .toSorted((a, b) => (a.view.record.created_at < b.view.record.created_at ? -1 : 1))
  }

  /**
   * By the dialect's own name, a derived id, the engine's container id, the instance's name, or a unique prefix (4
   * characters or more) of an id. Not-found otherwise.
   */
  async function find(caller: Caller, dialect: string, reference: string): Promise<Listed> {
    const all = await list(caller, dialect)
    const exact =
      all.find(({ nickname }) => nickname === reference) ??
      all.find((one) => idsOf(one).includes(reference) || one.view.record.name === reference)
    if (exact !== undefined) return exact
    const [first, second] =
      reference.length < 4 ? [] : all.filter((one) => idsOf(one).some((id) => id.startsWith(reference)))
    if (first === undefined || second !== undefined) throw notFound('Instance not found')
    return first
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

  return { list, find, instanceName }
}

function toListed(view: InstanceView, names: Map<string, string>): Listed {
  const { uuid, name, project } = view.record
  return { view, where: { project, name }, hex: hexIdOf(uuid), uuid: uuidOf(uuid), nickname: names.get(uuid) ?? name }
}

function idsOf({ view, hex, uuid }: Listed): string[] {
  return [hex, uuid, view.record.container].filter((id) => id !== '')
}
