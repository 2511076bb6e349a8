/** Aliases: names that lead to images. */
import type { AliasesPost, AliasPut } from '../contract/image.ts'
import type { AliasRecord, ImageRecord, ProjectRecord } from '../contract/records.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { badRequest, notFound } from '../core/failure.ts'
import { parseAliasName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import { mayEnter, requireHome, requireProject, requireRole, type Caller, type Visitor } from './caller.ts'
import { keepFeatures, loadProject } from './homes.ts'
import type { ImageLookup } from './image-lookup.ts'
import type { Where } from './instance-views.ts'
import type { Write } from './writes.ts'

export interface AliasesDeps {
  records: RecordReader
  lookup: Pick<ImageLookup, 'get'>
  write: Write
  clock: Clock
}

export type Aliases = ReturnType<typeof createAliases>

/** What is written with an alias. */
interface Put {
  action: string
  taken?: string
  context?: Record<string, unknown>
  /** The project in which it is made, as it was when the request began. */
  begun?: ProjectRecord
  /** That it is to lead to from now on. */
  image?: ImageRecord | undefined
}

const taken = (name: string): string => `Alias "${name}" already exists`

export function createAliases({ records, lookup, write, clock }: AliasesDeps) {
  async function list(caller: Caller, project: string): Promise<AliasRecord[]> {
    return mayEnter(caller, project) ? records.list('alias', await homeOf(records, project, 'image')) : []
  }

  /** Strangers know those of public images. */
  async function get(visitor: Visitor, project: string, name: string): Promise<AliasRecord> {
    if (visitor !== undefined) requireProject(visitor, project)
    const home = await homeOf(records, project, 'image')
    const alias = await records.find('alias', home, name)
    const isSeen = visitor !== undefined || (await records.find('image', home, alias?.target ?? ''))?.public === true
    if (alias === undefined || !isSeen) throw notFound('Image alias not found')
    return alias
  }

  async function create(caller: Caller, project: string, body: AliasesPost): Promise<AliasRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    if (!body.name || !body.target) throw badRequest('name and target are required')
    const name = parseAliasName(body.name)
    const begun = await loadProject(records, project)
    const { record: image } = await lookup.get(caller, project, body.target)
    const home = image.project
    requireHome(caller, home)
    const description = body.description ?? ''
    const record: AliasRecord = {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project: home,
      name,
      target: image.name,
      description,
    }
    const event = { action: 'image-alias-created', context: { target: record.target } }
    await put(caller, record, { ...event, taken: taken(name), begun, image })
    return record
  }

  /** `PUT`: target and description. */
  async function update(caller: Caller, where: Where, body: AliasPut, ifMatch?: string): Promise<void> {
    if (!body.target) throw badRequest('The target field is required')
    await change(caller, where, { target: body.target, description: body.description ?? '' }, ifMatch)
  }

  /** `PATCH`: what is given. */
  async function patch(caller: Caller, where: Where, body: AliasPut, ifMatch?: string): Promise<void> {
    await change(caller, where, body, ifMatch)
  }

  async function change(caller: Caller, where: Where, body: AliasPut, ifMatch: string | undefined): Promise<void> {
    const { project, name } = where
    const alias = await writable(caller, project, name, ifMatch)
    const image = body.target ? (await lookup.get(caller, project, body.target)).record : undefined
    const target = image?.name ?? alias.target
    const record = { ...alias, target, description: body.description ?? alias.description }
    await put(caller, record, { action: 'image-alias-updated', context: { target }, image })
  }

  async function rename(caller: Caller, project: string, name: string, newName: string): Promise<AliasRecord> {
    const alias = await writable(caller, project, name, undefined)
    const record = { ...alias, name: parseAliasName(newName) }
    await put(caller, record, { action: 'image-alias-renamed', taken: taken(newName), context: { old_name: name } })
    return record
  }

  async function remove(caller: Caller, project: string, name: string): Promise<void> {
    const alias = await writable(caller, project, name, undefined)
    await write(caller, {
      changes: [{ change: 'remove', noun: 'alias', uuid: alias.uuid, rev: alias.rev }],
      event: { action: 'image-alias-deleted', source: aliasUrl(alias), project: alias.project },
    })
  }

  async function writable(
    caller: Caller,
    project: string,
    name: string,
    ifMatch: string | undefined,
  ): Promise<AliasRecord> {
    requireRole(caller, 'operator')
    const alias = await get(caller, project, name)
    requireHome(caller, alias.project)
    checkIfMatch(ifMatch, etagOf(alias.uuid, alias.rev))
    return alias
  }

  async function put(caller: Caller, record: AliasRecord, { begun, image, ...told }: Put): Promise<void> {
    const { action, taken: sentence, context = {} } = told
    await write(caller, async () => ({
      changes: [
        { change: 'put', noun: 'alias', record },
        ...(begun === undefined ? [] : await keepFeatures(records, begun)),
        ...(image === undefined ? [] : [{ change: 'keep', noun: 'image', uuid: image.uuid, rev: image.rev } as const]),
      ],
      event: { action, source: aliasUrl(record), project: record.project, context },
      // Who deletes or replaces an image has looked for the aliases that lead to it.
      unlessBusy: image && [`image:${image.uuid}`],
      ...(sentence === undefined ? {} : { taken: sentence }),
    }))
  }

  return { list, get, create, update, patch, rename, remove }
}

/** Where an alias is read; another project than default is in the query. */
export function aliasUrl({ project, name }: { project: string; name: string }): string {
  const query = project === 'default' ? '' : `?project=${encodeURIComponent(project)}`
  return `/1.0/images/aliases/${encodeURIComponent(name)}${query}`
}
