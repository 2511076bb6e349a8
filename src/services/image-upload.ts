/** Uploaded images: their files are kept on the engine, then imported by a worker. */
import { randomBytes } from 'node:crypto'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { AliasRecord, ImageRecord, ProjectRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest } from '../core/failure.ts'
import { keepParts, type ImagePart, type KeptParts } from '../core/image-parts.ts'
import { imageVolume } from '../core/kept-files.ts'
import type { NameClaim, RecordReader } from '../core/ports.ts'
import { parseExpiry } from '../core/times.ts'
import { requireHome, type Caller } from './caller.ts'
import { engineOf } from './engine-of.ts'
import { submitInHome } from './homes.ts'
import type { ImageLookup } from './image-lookup.ts'
import type { Expected } from './image-tokens.ts'
import { imageUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import type { Uploads } from './uploads.ts'

export interface ImageUploadDeps {
  records: RecordReader
  operations: Operations
  engines: ReadonlyMap<string, Engine>
  lookup: ImageLookup
  deployment: string
  uploads: Uploads
  /** What may be sent with this secret. */
  expectedBy(secret: string, fingerprint: string): Promise<Expected | undefined>
}

/** Where an image is made. */
export interface Place {
  /** That the request names. */
  project: ProjectRecord
  /** Where that one has its images. */
  home: string
  /** Those that are to lead to it. */
  aliases: AliasRecord[]
}

/** Refuses those who may make no images there. */
type Enter = (caller: Caller, project: string, aliases: NonNullable<UploadInfo['aliases']>) => Promise<Place>

/** What comes with an upload, from its headers. */
export interface UploadInfo {
  filename?: string | undefined
  public?: boolean | undefined
  properties?: Record<string, string> | undefined
  expires_at?: string | undefined
  aliases?: { name: string; description?: string | null | undefined }[] | undefined
  /** What the client says the sha256 is, or what it calls the image that it sends by a secret. */
  fingerprint?: string | undefined
  /** Of the token by which it is expected. */
  secret?: string | undefined
  /** Aborts when the client is gone. */
  signal?: AbortSignal | undefined
}

/** A tarball that lies in a volume by now. */
interface Upload {
  /** Of the operation that is to import it. */
  id: string
  volume: string
  image: ImageRecord
  /** Another server has sent it by a secret. */
  isExpected: boolean
}

/** LXD's words. */
const EXISTS = 'Image with same fingerprint already exists'

export function createImageUpload(deps: ImageUploadDeps & { enter: Enter }) {
  const { lookup, enter } = deps

  /** Keeps tarballs on the engine and has them imported. Streams are left open where they are refused half-way. */
  async function upload(
    caller: Caller,
    project: string,
    parts: AsyncIterable<ImagePart>,
    info: UploadInfo,
  ): Promise<OperationRecord> {
    const expected = await expectedBy(info)
    const place = await enter(caller, project, expected?.wanted.aliases ?? info.aliases ?? [])
    // Whoever has asked for an image that is expected was allowed to have it made.
    if (expected === undefined) requireHome(caller, place.home)
    const image = lookup.draft(place.home, { ...givenBy(info), ...(expected && wantedOf(expected)) })
    const volume = imageVolume(image.uuid)
    const engine = engineOf(deps.engines, image.member)
    return deps.uploads.into({ engine, volume }, async (id) => {
      const labels = labelsOf(image, id)
      const kept = await keepParts(parts, (file, content, used) => {
        const options = { labels, maxBytes: deps.uploads.limit - used }
        return engine.volumes.putFile(volume, file, content, options, info.signal)
      })
      const made = { ...image, ...uploaded(kept, info) }
      return submitImport(caller, { id, image: made, volume, isExpected: expected !== undefined }, place)
    })
  }

  /** What the one who sends it may be allowed by its secret; undefined: nothing. */
  async function expectedBy({ secret, fingerprint }: UploadInfo): Promise<Expected | undefined> {
    return secret && fingerprint ? deps.expectedBy(secret, fingerprint) : undefined
  }

  async function submitImport(caller: Caller, { id, image, volume, isExpected }: Upload, { project, aliases }: Place) {
    return submitInHome(deps, caller, project, {
      id,
      kind: 'image.import',
      input: { image, upload: volume, aliases },
      ...about(image, project.name),
      names: [{ noun: 'image', scope: image.project, name: image.name }, ...claims(aliases)],
      taken: EXISTS,
      // With which a sender that is not trusted may wait for the end, as in LXD.
      ...(isExpected && { metadata: { secret: randomBytes(32).toString('hex') } }),
    })
  }

  function labelsOf(image: ImageRecord, operation: string) {
    const { uuid, project } = image
    const origin = JSON.stringify(image)
    return { deployment: deps.deployment, role: 'tarball' as const, uuid, project, operation, step: 'upload', origin }
  }

  return { upload, expectedBy }
}

function givenBy(info: UploadInfo): Partial<ImageRecord> {
  return {
    filename: info.filename ?? '',
    public: info.public ?? false,
    properties: info.properties ?? {},
    expires_at: parseExpiry(info.expires_at),
  }
}

function wantedOf({ wanted }: Expected): Partial<ImageRecord> {
  return { public: wanted.public, properties: wanted.properties, expires_at: wanted.keep_until }
}

function uploaded(kept: KeptParts, info: UploadInfo): Pick<ImageRecord, 'name' | 'size' | 'filename' | 'rootfs'> {
  if (kept.size === 0) throw badRequest('The upload is empty')
  // An image that is sent by a secret may be called by its alias.
  const isNamed = info.secret !== undefined && !/^[0-9a-f]{64}$/.test(info.fingerprint ?? '')
  if (info.fingerprint && !isNamed && info.fingerprint !== kept.sha256)
    throw badRequest(`fingerprints don't match, got ${kept.sha256} expected ${info.fingerprint}`)
  const { sha256: name, size, rootfs } = kept
  const filename = info.filename || kept.filename
  return rootfs === undefined ? { name, size, filename } : { name, size, filename, rootfs }
}

/** LXD names no resources for an image that is being made. `project` is the one that the request names. */
export function about(image: ImageRecord, project: string) {
  const { uuid, name, member } = image
  const url = name === '' ? '/1.0/images' : imageUrl(image)
  return { project, member, entity: { id: uuid, name, url }, resources: null }
}

/** Names that the aliases reserve. */
export function claims(aliases: AliasRecord[]): NameClaim[] {
  return aliases.map(({ project, name }) => ({ noun: 'alias', scope: project, name }))
}
