/** Images of a project: found, changed, deleted and exported here, made in image-creation.ts. */
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { ImagePatch, ImagePut } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ImageRecord } from '../contract/records.ts'
import { compressionOf, tarballExtension } from '../core/compression.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { notFound } from '../core/failure.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../core/kept-files.ts'
import { parseExpiry } from '../core/times.ts'
import { engineOf } from './engine-of.ts'
import { requireRole, SERVER, type Caller, type Visitor } from './caller.ts'
import { createImageCreation, type ImageCreationDeps } from './image-creation.ts'
import type { ImageView } from './image-lookup.ts'
import type { Where } from './instance-views.ts'
import { imageUrl } from './noun-urls.ts'
import { shareImage } from './image-sharing.ts'
import type { Write } from './writes.ts'

export interface ImagesDeps extends ImageCreationDeps {
  write: Write
}

/** A tarball to send; of an image in two files the metadata, and then the root file system. */
export interface ImageExport extends ImageFile {
  rootfs?: () => Promise<ImageFile>
}

export interface ImageFile {
  /** The fingerprint with the extension clients look at. */
  filename: string
  /** Bytes. */
  size: number
  content: Readable
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

  /** With its aliases. What was made from it keeps its files. */
  async function remove(caller: Caller, project: string, fingerprint: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    const { uuid, name, member } = record
    return operations.submit(caller, {
      kind: 'image.delete',
      input: { image: uuid },
      project: record.project,
      member,
      entity: { id: uuid, name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [{ key: `image:${uuid}`, mode: 'own', action: 'delete' }],
    })
  }

  /** The image's tarball; one that was pulled gets it now. Must be read or destroyed. */
  async function exportTarball(
    visitor: Visitor,
    project: string,
    fingerprint: string,
    { secret, signal }: { secret?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<ImageExport> {
    const view = await lookup.get(visitor, project, fingerprint, secret)
    const record = view.record.tarball === '' ? await packed(visitor ?? SERVER, view.record) : view.record
    const { name } = record
    if (record.rootfs === undefined) return open(record, KEPT_FILE, name, signal)
    return {
      ...(await open(record, KEPT_FILE, `meta-${name}`, signal)),
      rootfs: () => open(record, ROOTFS_FILE, name, signal),
    }
  }

  async function open(record: ImageRecord, kept: string, name: string, signal?: AbortSignal): Promise<ImageFile> {
    const { uuid, member } = record
    const labels = {
      deployment: deps.deployment,
      role: 'helper' as const,
      uuid,
      project: record.project,
      operation: '',
      step: 'export',
      origin: '',
    }
    const engine = engineOf(deps.engines, member)
    const file = await engine.volumes.getFile(record.tarball, kept, labels, signal)
    if (file === undefined) throw notFound(`The tarball of image ${record.name} is gone from the engine`)
    const extension = tarballExtension(compressionOf(await peek(file.content)))
    return { filename: `${name}${extension}`, ...file }
  }

  /** A secret with which another server may read it. */
  async function share(caller: Caller, project: string, fingerprint: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    return shareImage(deps, caller, record)
  }

  /** Pulls it again; what the registry has new takes its place. Only images that were pulled have a source. */
  async function refresh(caller: Caller, project: string, fingerprint: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    const { uuid, name, member, source } = record
    if (source === '')
      throw notFound(`Failed to update image "${name}" in project "${record.project}": Image source not found`)
    const { properties, profiles, public: isPublic, auto_update, expires_at } = record
    const kept = { properties, profiles, public: isPublic, auto_update, expires_at, source, member }
    return operations.submit(caller, {
      kind: 'image.refresh',
      input: { image: uuid, next: lookup.draft(record.project, kept) },
      project: record.project,
      member,
      entity: { id: uuid, name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [{ key: `image:${uuid}`, mode: 'own', action: 'refresh' }],
    })
  }

  /** Waits for the tarball as every route does that LXD answers at once: 60 s, then the operation's URL is told. */
  async function packed(caller: Caller, record: ImageRecord): Promise<ImageRecord> {
    const { uuid, name, project, member } = record
    await operations.perform(caller, {
      kind: 'image.pack',
      input: { image: uuid },
      project,
      member,
      entity: { id: uuid, name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [
        // Others may use it meanwhile, but only one packs it.
        { key: `image:${uuid}`, mode: 'use', action: 'export' },
        { key: `image:${uuid}/tarball`, mode: 'own', action: 'export' },
      ],
    })
    return { ...record, tarball: imageVolume(uuid) }
  }

  async function writable(caller: Caller, where: Where, ifMatch: string | undefined): Promise<ImageView> {
    requireRole(caller, 'operator')
    const view = await lookup.get(caller, where.project, where.name)
    checkIfMatch(ifMatch, etagOf(view.record.uuid, view.record.rev))
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
    share,
    refresh,
    export: exportTarball,
  }
}

/** The first bytes, left in the stream. */
async function peek(content: Readable): Promise<Uint8Array> {
  await once(content, 'readable')
  const head: Buffer | null = content.read() // without an encoding a chunk is a Buffer
  if (head === null) return Buffer.alloc(0)
  content.unshift(head)
  return head
}
