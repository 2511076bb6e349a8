/** Images that are given away: their files, secrets by which another server may read them, and pushes to it. */
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { ImageExportPost } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ImageRecord } from '../contract/records.ts'
import { compressionOf, tarballExtension } from '../core/compression.ts'
import { badRequest, isFailure, notFound } from '../core/failure.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../core/kept-files.ts'
import { requireRole, SERVER, STRANGER, type Caller, type Visitor } from './caller.ts'
import type { ImageCreationDeps } from './image-creation.ts'
import type { ImageView } from './image-lookup.ts'
import { shareImage } from './image-tokens.ts'
import type { OpenKept } from './kept-files.ts'
import { imageUrl } from './noun-urls.ts'
import { tellOf, type Write } from './writes.ts'

interface ImageExportDeps extends Pick<ImageCreationDeps, 'operations' | 'lookup' | 'sources' | 'clock'> {
  openKept: OpenKept
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

export function createImageExport(deps: ImageExportDeps) {
  const { operations, lookup, write } = deps

  /** The image's tarball; one that was pulled gets it now. Must be read or destroyed. */
  async function exportTarball(
    visitor: Visitor,
    project: string,
    fingerprint: string,
    { secret, signal }: { secret?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<ImageExport> {
    const view = await named(visitor, project, fingerprint, secret)
    const record = view.record.tarball === '' ? await packed(visitor ?? SERVER, view.record) : view.record
    const { name, rootfs } = record
    const tarball = await open(record, KEPT_FILE, rootfs === undefined ? name : `meta-${name}`, signal)
    await tellOf(write, visitor ?? STRANGER, eventOf(record, 'image-retrieved'))
    return rootfs === undefined ? tarball : { ...tarball, rootfs: () => open(record, ROOTFS_FILE, name, signal) }
  }

  async function open(record: ImageRecord, kept: string, name: string, signal?: AbortSignal): Promise<ImageFile> {
    const { uuid, member, project, tarball: volume } = record
    const file = await deps.openKept({ member, volume, file: kept, uuid, project }, signal)
    if (file === undefined) throw notFound(`The tarball of image ${record.name} is gone from the engine`)
    const extension = tarballExtension(compressionOf(await peek(file.content)))
    return { filename: `${name}${extension}`, ...file }
  }

  /** By its fingerprint, or by its alias: LXD's client calls a public image that it copies as the user has called it. */
  async function named(visitor: Visitor, project: string, name: string, secret?: string): Promise<ImageView> {
    try {
      return await lookup.get(visitor, project, name, secret)
    } catch (failure) {
      const image = isFailure(failure, 'not-found') ? await lookup.byAlias(project, name) : undefined
      if (image === undefined) throw failure
      return lookup.get(visitor, project, image.name, secret)
    }
  }

  /** Sends it to another server, which expects it by the secret. */
  async function push(caller: Caller, project: string, name: string, body: ImageExportPost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await named(caller, project, name)
    if (record.source !== '')
      throw badRequest('An image that was pulled from a registry is pulled from there by each server')
    if (!body.secret) throw badRequest('The secret is missing by which the other server expects the image')
    const { uuid, member } = record
    return operations.submit(caller, {
      kind: 'image.push',
      input: {
        image: uuid,
        name,
        target: deps.sources.serverOf(caller, body.target, body.certificate),
        project: body.project || 'default',
      },
      project,
      member,
      entity: { id: uuid, name: record.name, url: imageUrl(record) },
      resources: { images: [imageUrl(record)] },
      busy: [{ key: `image:${uuid}`, mode: 'use', action: 'push' }],
      secret: { secret: body.secret },
    })
  }

  /** A secret with which another server may read it. */
  async function share(caller: Caller, project: string, fingerprint: string): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const { record } = await lookup.get(caller, project, fingerprint)
    const shared = await shareImage(deps, caller, project, record)
    await tellOf(write, caller, eventOf(record, 'image-secret-created'))
    return shared
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

  return { export: exportTarball, share, push }
}

function eventOf(record: ImageRecord, action: string) {
  return { action, source: imageUrl(record), project: record.project }
}

/** The first bytes, left in the stream. */
async function peek(content: Readable): Promise<Uint8Array> {
  await once(content, 'readable')
  const head: Buffer | null = content.read() // without an encoding a chunk is a Buffer
  if (head === null) return Buffer.alloc(0)
  content.unshift(head)
  return head
}
