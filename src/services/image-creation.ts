/** New images: uploaded, pulled from a registry, or published from an instance or a snapshot. */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ImagesPost } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { AliasRecord, ImageRecord, InstanceRecord, SnapshotRecord } from '../contract/records.ts'
import type { Engine, KeptFile } from '../core/engine.ts'
import { badRequest, conflict, isFailure, notFound, unavailable } from '../core/failure.ts'
import { imagePropertiesOf } from '../core/image-properties.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../core/kept-files.ts'
import { parseAliasName } from '../core/names.ts'
import type { BusyClaim, Clock, NameClaim, RecordReader, Transfers } from '../core/ports.ts'
import { parseRegistryReference } from '../core/registry-reference.ts'
import { parseExpiry } from '../core/times.ts'
import type { InputOf } from '../operations/catalog.ts'
import { requireProject, requireRole, type Caller } from './caller.ts'
import { referenceOn, type ImageLookup } from './image-lookup.ts'
import { imageUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'

export interface ImageCreationDeps {
  records: RecordReader
  operations: Operations
  engines: ReadonlyMap<string, Engine>
  lookup: ImageLookup
  clock: Clock
  deployment: string
  transfers: Pick<Transfers, 'begin'>
  /** Bytes an uploaded tarball may have. */
  uploadLimit: number
}

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

type Compression = InputOf<'image.publish'>['compression']
const COMPRESSIONS: readonly Compression[] = ['gzip', 'zstd', 'none', 'xz', 'bzip2', 'lzma']
const EXISTS = 'Image with same fingerprint already exists'

export function createImageCreation(deps: ImageCreationDeps) {
  const { records, operations, lookup, clock } = deps

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
    // Should this process die over it, the sweep finds it by the transfer; from its acceptance on by the operation.
    const transfer = await deps.transfers.begin()
    const isDropped = async () => (await engine.volumes.remove(volume).catch(() => 'in-use')) !== 'in-use'
    try {
      const bound = { labels: labelsOf(image, transfer.id), maxBytes: deps.uploadLimit }
      const kept = await keepParts(parts, (file, content, used) => {
        const options = { ...bound, maxBytes: bound.maxBytes - used }
        return engine.volumes.putFile(volume, file, content, options, info.signal)
      })
      const made = { ...image, ...uploaded(kept, info) }
      const operation = await submitImport(caller, { id: transfer.id, image: made, volume }, aliases)
      // A repeat of an earlier request is answered with that one's operation.
      if (operation.id === transfer.id || (await isDropped())) await transfer.end()
      else transfer.leave()
      return operation
    } catch (failure) {
      // It may have been accepted although the answer was lost.
      if (!isFailure(failure, 'unavailable') && (await isDropped())) await transfer.end()
      else transfer.leave()
      throw failure
    }
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

  /** The JSON body: publish an instance or a snapshot, or pull. */
  async function create(caller: Caller, project: string, body: ImagesPost): Promise<OperationRecord> {
    const aliases = await enter(caller, project, body.aliases ?? [])
    const type = body.source?.type ?? ''
    if (type === 'instance' || type === 'container' || type === 'snapshot')
      return publish(caller, project, body, aliases)
    if (type === 'image') return pull(caller, project, body, aliases)
    if (type === 'url') throw badRequest('Images cannot be fetched from a URL; download the tarball and import it')
    throw badRequest(type === '' ? 'Must specify an image source' : `Invalid image source type "${type}"`)
  }

  async function pull(
    caller: Caller,
    project: string,
    body: ImagesPost,
    aliases: AliasRecord[],
  ): Promise<OperationRecord> {
    const source = body.source ?? {}
    if (source.mode && source.mode !== 'pull') throw badRequest(`Images cannot be copied in mode "${source.mode}"`)
    const text = referenceOn({ ...source, alias: source.alias || source.fingerprint })
    const reference = parseRegistryReference(text)
    if (reference === undefined) throw badRequest(`"${text}" is no reference of an image in a registry`)
    const { username, password } = source
    return operations.submit(caller, {
      kind: 'image.pull',
      input: { image: draftOf(project, body, { description: reference }), reference, aliases },
      ...about(lookup.draft(project, { name: reference })),
      names: claims(aliases),
      secret: username ? { username, password: password ?? '' } : undefined,
    })
  }

  async function publish(
    caller: Caller,
    project: string,
    body: ImagesPost,
    aliases: AliasRecord[],
  ): Promise<OperationRecord> {
    const { instance, snapshot } = await sourceOf(caller, body.source?.project || project, body)
    const from = snapshot ?? instance
    const own = draftOf(project, body, imagePropertiesOf(from.config))
    const { architecture, boot, metadata } = from
    const like = { ...own, member: instance.member, architecture, boot }
    const image = metadata === undefined ? like : { ...like, metadata: { ...metadata, properties: own.properties } }
    const busy: BusyClaim[] = [
      // A running instance is frozen while it is committed.
      { key: `instance:${instance.uuid}`, mode: snapshot === undefined ? 'own' : 'use', action: 'publish' },
      ...(snapshot === undefined
        ? []
        : [{ key: `snapshot:${snapshot.uuid}` as const, mode: 'use' as const, action: 'publish' }]),
    ]
    return operations.submit(caller, {
      kind: 'image.publish',
      input: {
        image,
        source: { instance: instance.uuid, snapshot: snapshot?.uuid ?? '' },
        compression: parseCompression(body.compression_algorithm ?? ''),
        aliases,
      },
      ...about(image),
      names: claims(aliases),
      busy,
    })
  }

  async function sourceOf(
    caller: Caller,
    project: string,
    { source }: ImagesPost,
  ): Promise<{ instance: InstanceRecord; snapshot: SnapshotRecord | undefined }> {
    requireProject(caller, project)
    const [name = '', snapshotName] = (source?.name ?? '').split('/')
    const instance = await records.find('instance', project, name)
    if (instance === undefined) throw notFound('Instance not found')
    if (source?.type !== 'snapshot') return { instance, snapshot: undefined }
    const snapshot = await records.find('snapshot', instance.uuid, snapshotName ?? '')
    if (snapshot !== undefined) return { instance, snapshot }
    throw notFound(
      `Failed to fetch snapshot "${snapshotName ?? ''}" of instance "${name}" in project "${project}": InstanceSnapshot not found`,
    )
  }

  function draftOf(project: string, body: ImagesPost, properties: Record<string, string>): ImageRecord {
    return lookup.draft(project, {
      properties: body.properties ?? properties,
      public: body.public ?? false,
      auto_update: body.auto_update ?? false,
      filename: body.filename ?? '',
      expires_at: parseExpiry(body.expires_at),
      ...(body.profiles == null ? {} : { profiles: body.profiles }),
    })
  }

  /** Who may make images, and the records of the aliases that are to lead to the new one. */
  async function enter(
    caller: Caller,
    project: string,
    aliases: { name: string; description?: string | null | undefined }[],
  ) {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    if ((await records.find('project', '', project)) === undefined) throw notFound('Project not found')
    return Promise.all(aliases.map((alias) => aliasOf(project, alias)))
  }

  async function aliasOf(
    project: string,
    alias: { name: string; description?: string | null | undefined },
  ): Promise<AliasRecord> {
    const name = parseAliasName(alias.name)
    if ((await records.find('alias', project, name)) !== undefined) throw conflict(`Alias "${name}" already exists`)
    return { v: 1, rev: 0, uuid: clock.uuid(), project, name, target: '', description: alias.description ?? '' }
  }

  function engineOf(member: string): Engine {
    const engine = deps.engines.get(member)
    if (engine === undefined) throw unavailable(`The engine "${member}" is not known to this process`)
    return engine
  }

  return { upload, create }
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
function about(image: ImageRecord) {
  const { uuid, name, project, member } = image
  const url = name === '' ? '/1.0/images' : imageUrl(image)
  return { project, member, entity: { id: uuid, name, url }, resources: null }
}

function claims(aliases: AliasRecord[]): NameClaim[] {
  return aliases.map(({ project, name }) => ({ noun: 'alias', scope: project, name }))
}

function parseCompression(algorithm: string): Compression {
  const known = COMPRESSIONS.find((one) => one === (algorithm || 'gzip'))
  if (known === undefined)
    throw badRequest(`Unsupported compression algorithm "${algorithm}": use ${COMPRESSIONS.join(', ')}`)
  return known
}
