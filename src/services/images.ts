/** Images of a project: found, changed, refreshed and deleted here, made in image-creation.ts, given away in image-export.ts. */
import type { ImagePatch, ImagePut } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ImageRecord } from '../contract/records.ts'
import { checkIfMatch, imageEtag } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { notFound } from '../core/failure.ts'
import { parseExpiry } from '../core/times.ts'
import { requireHome, requireRole, type Caller } from './caller.ts'
import { createImageCreation, type ImageCreationDeps } from './image-creation.ts'
import { createImageExport } from './image-export.ts'
import type { OpenKept } from './kept-files.ts'
import type { ImageView } from './image-lookup.ts'
import type { Where } from './instance-views.ts'
import { imageUrl } from './noun-urls.ts'
import { asSeen, type Seen } from './part-claims.ts'
import type { Write } from './writes.ts'

export interface ImagesDeps extends ImageCreationDeps {
  write: Write
  openKept: OpenKept
}

export type Images = ReturnType<typeof createImages>

export function createImages(deps: ImagesDeps) {
  const { operations, lookup, write } = deps

  /** `PUT`: everything a client writes; what is left out is as it was when the image was new. */
  async function update(caller: Caller, where: Where, body: ImagePut, ifMatch?: string): Promise<void> {
    const { record } = await writable(caller, where, ifMatch)
    await change(caller, {
      ...record,
      properties: withoutEmpty(body.properties ?? {}),
      public: body.public ?? false,
      auto_update: body.auto_update ?? false,
      expires_at: parseExpiry(body.expires_at),
      profiles: body.profiles ?? record.profiles,
    })
  }

  /** `PATCH`: merged into what is there. */
  async function patch(caller: Caller, where: Where, body: ImagePatch, ifMatch?: string): Promise<void> {
    const { record } = await writable(caller, where, ifMatch)
    await change(caller, {
      ...record,
      properties: withoutEmpty({ ...record.properties, ...body.properties }),
      public: body.public ?? record.public,
      auto_update: body.auto_update ?? record.auto_update,
      expires_at: body.expires_at == null ? record.expires_at : parseExpiry(body.expires_at),
      profiles: body.profiles ?? record.profiles,
    })
  }

  async function change(caller: Caller, record: ImageRecord): Promise<void> {
    await write(caller, {
      changes: [{ change: 'put', noun: 'image', record }],
      event: { action: 'image-updated', source: imageUrl(record), project: record.project },
    })
  }

  /**
   * With its aliases. What was made from it keeps its files. `seen`: only while it is as it was when somebody decided on
   * it.
   */
  async function remove(caller: Caller, project: string, fingerprint: string, seen?: Seen): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    requireHome(caller, record.project)
    const { uuid, name, member } = record
    return operations.submit(caller, {
      kind: 'image.delete',
      input: { image: uuid },
      project,
      member,
      entity: { id: uuid, name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [{ key: `image:${uuid}`, mode: 'own', action: 'delete' }],
      ...asSeen('image', seen),
    })
  }

  /** Looks for it again where it came from; what is new there takes its place. Only images that were pulled or copied have a source. */
  async function refresh(
    caller: Caller,
    project: string,
    fingerprint: string,
    occasion?: string,
  ): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    requireHome(caller, record.project)
    const { uuid, name, member, source, origin } = record
    if (source === '' && origin === undefined)
      throw notFound(`Failed to update image "${name}" in project "${record.project}": Image source not found`)
    const { properties, profiles, public: isPublic, auto_update, expires_at, cached, last_used_at } = record
    const kept = { profiles, public: isPublic, auto_update, expires_at, cached, last_used_at, source, member }
    // A registry's image has none of its own.
    const next = lookup.draft(record.project, origin === undefined ? { ...kept, properties } : kept)
    return operations.submit(caller, {
      kind: 'image.refresh',
      input: {
        image: uuid,
        next,
        ...(origin !== undefined && { from: { origin, limit: deps.uploads.limit } }),
      },
      project,
      member,
      entity: { id: uuid, name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [{ key: `image:${uuid}`, mode: 'own', action: 'refresh' }],
      ...(occasion !== undefined && { once: occasion }),
    })
  }

  async function writable(caller: Caller, where: Where, ifMatch: string | undefined): Promise<ImageView> {
    requireRole(caller, 'operator')
    const view = await lookup.get(caller, where.project, where.name)
    requireHome(caller, view.record.project)
    checkIfMatch(ifMatch, imageEtag(view.record))
    return view
  }

  const { list, get, resolve } = lookup
  return {
    list,
    get,
    resolve,
    ...createImageCreation(deps),
    update,
    patch,
    remove,
    refresh,
    ...createImageExport(deps),
  }
}
