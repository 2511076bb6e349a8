/** Uploaded images: their files are kept on the engine, then imported by a worker. */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { AliasRecord, ImageRecord } from '../contract/records.ts'
import type { Engine, KeptFile } from '../core/engine.ts'
import { badRequest, unavailable } from '../core/failure.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../core/kept-files.ts'
import type { NameClaim } from '../core/ports.ts'
import { parseExpiry } from '../core/times.ts'
import type { Caller } from './caller.ts'
import type { ImageLookup } from './image-lookup.ts'
import { imageUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import type { Uploads } from './uploads.ts'

export interface ImageUploadDeps {
  operations: Operations
  engines: ReadonlyMap<string, Engine>
  lookup: ImageLookup
  deployment: string
  uploads: Uploads
}

/** Who may make images, and the records of the aliases that are to lead to the new one. */
type Enter = (caller: Caller, project: string, aliases: NonNullable<UploadInfo['aliases']>) => Promise<AliasRecord[]>

/** What comes with an upload, from its headers. */
export interface UploadInfo {
  filename?: string | undefined
  public?: boolean | undefined
  properties?: Record<string, string> | undefined
  expires_at?: string | undefined
  aliases?: { name: string; description?: string | null | undefined }[] | undefined
  /** What the client says the sha256 is. */
  fingerprint?: string | undefined
  /** Aborts when the client is gone. */
  signal?: AbortSignal | undefined
}

/** A file of an upload: all of it, or first LXD's `metadata` and then its `rootfs`. */
export interface UploadPart {
  name: 'metadata' | 'rootfs' | ''
  filename: string
  content: Readable
}

/** A tarball that lies in a volume by now. */
interface Upload {
  /** Of the operation that is to import it. */
  id: string
  volume: string
  image: ImageRecord
}

/** LXD's words. */
export const EXISTS = 'Image with same fingerprint already exists'

export function createImageUpload(deps: ImageUploadDeps & { enter: Enter }) {
  const { operations, lookup, enter } = deps

  /** Keeps tarballs on the engine and has them imported. Streams are left open where they are refused half-way. */
  async function upload(
    caller: Caller,
    project: string,
    parts: AsyncIterable<UploadPart>,
    info: UploadInfo,
  ): Promise<OperationRecord> {
    const aliases = await enter(caller, project, info.aliases ?? [])
    const given = {
      filename: info.filename ?? '',
      public: info.public ?? false,
      properties: info.properties ?? {},
      expires_at: parseExpiry(info.expires_at),
    }
    const image = lookup.draft(project, given)
    const volume = imageVolume(image.uuid)
    const engine = engineOf(image.member)
    return deps.uploads.into({ engine, volume }, async (id) => {
      const labels = labelsOf(image, id)
      const kept = await keepParts(parts, (file, content, used) => {
        const options = { labels, maxBytes: deps.uploads.limit - used }
        return engine.volumes.putFile(volume, file, content, options, info.signal)
      })
      return submitImport(caller, { id, image: { ...image, ...uploaded(kept, info) }, volume }, aliases)
    })
  }

  async function submitImport(caller: Caller, { id, image, volume }: Upload, aliases: AliasRecord[]) {
    return operations.submit(caller, {
      id,
      kind: 'image.import',
      input: { image, upload: volume, aliases },
      ...about(image),
      names: [{ noun: 'image', scope: image.project, name: image.name }, ...claims(aliases)],
      taken: EXISTS,
    })
  }

  function labelsOf(image: ImageRecord, operation: string) {
    const { uuid, project } = image
    const origin = JSON.stringify(image)
    return { deployment: deps.deployment, role: 'tarball' as const, uuid, project, operation, step: 'upload', origin }
  }

  function engineOf(member: string): Engine {
    const engine = deps.engines.get(member)
    if (engine === undefined) throw unavailable(`The engine "${member}" is not known to this process`)
    return engine
  }

  return { upload }
}

interface KeptParts extends KeptFile {
  filename: string
  rootfs?: number
}

type KeepPart = (file: string, content: Readable, used: number) => Promise<KeptFile>

/** One file as it is, or two whose fingerprint is that of the second behind the first, as in LXD. */
async function keepParts(parts: AsyncIterable<UploadPart>, keep: KeepPart): Promise<KeptParts> {
  const both = createHash('sha256')
  let first: { filename: string; size: number } | undefined
  for await (const { name, filename, content } of parts) {
    if (name === '') return { ...(await keep(KEPT_FILE, content, 0)), filename }
    if ((name === 'metadata') !== (first === undefined)) break
    if (first === undefined) {
      const { size } = await keep(KEPT_FILE, hashed(content, both), 0)
      first = { filename, size }
      continue
    }
    const { size } = await keep(ROOTFS_FILE, hashed(content, both), first.size)
    return { filename: first.filename, rootfs: size, size: first.size + size, sha256: both.digest('hex') }
  }
  throw badRequest('Invalid multipart image: a part "metadata" and then a part "rootfs" are wanted')
}

function hashed(content: Readable, hash: Hash): Readable {
  const pass = async function* (): AsyncGenerator<Buffer> {
    // Without an encoding the chunks of a byte stream are Buffers.
    for await (const chunk of content as AsyncIterable<Buffer>) {
      hash.update(chunk)
      yield chunk
    }
  }
  return Readable.from(pass(), { objectMode: false })
}

function uploaded(kept: KeptParts, info: UploadInfo): Pick<ImageRecord, 'name' | 'size' | 'filename' | 'rootfs'> {
  if (kept.size === 0) throw badRequest('The upload is empty')
  if (info.fingerprint && info.fingerprint !== kept.sha256)
    throw badRequest(`fingerprints don't match, got ${kept.sha256} expected ${info.fingerprint}`)
  const { sha256: name, size, rootfs } = kept
  const filename = info.filename || kept.filename
  return rootfs === undefined ? { name, size, filename } : { name, size, filename, rootfs }
}

/** LXD names no resources for an image that is being made. */
export function about(image: ImageRecord) {
  const { uuid, name, project, member } = image
  const url = name === '' ? '/1.0/images' : imageUrl(image)
  return { project, member, entity: { id: uuid, name, url }, resources: null }
}

/** Names that the aliases reserve. */
export function claims(aliases: AliasRecord[]): NameClaim[] {
  return aliases.map(({ project, name }) => ({ noun: 'alias', scope: project, name }))
}
