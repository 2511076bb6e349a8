/** New images: uploaded, pulled from a registry, or published from an instance or a snapshot. */
import type { ImagesPost } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { AliasRecord, ImageRecord, InstanceRecord, SnapshotRecord } from '../contract/records.ts'
import { parseCompression } from '../core/compression.ts'
import { badRequest, conflict, notFound } from '../core/failure.ts'
import { imagePropertiesOf } from '../core/image-properties.ts'
import { imageVolume } from '../core/kept-files.ts'
import { parseAliasName, splitSource } from '../core/names.ts'
import type { BusyClaim, Clock } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import { parseRegistryReference } from '../core/registry-reference.ts'
import { parseExpiry } from '../core/times.ts'
import { requireHome, requireProject, requireRole, type Caller } from './caller.ts'
import { loadProject, submitInHome } from './homes.ts'
import type { ImageSources } from './image-sources.ts'
import { awaitImage } from './image-tokens.ts'
import { about, claims, createImageUpload, type ImageUploadDeps, type Place } from './image-upload.ts'

export interface ImageCreationDeps extends ImageUploadDeps {
  sources: ImageSources
  /** The member new images are placed on. */
  member: string
  clock: Clock
}

export function createImageCreation(deps: ImageCreationDeps) {
  const { records, lookup, clock, sources } = deps

  /** The JSON body: publish an instance or a snapshot, pull, or expect what another server will push. */
  async function create(caller: Caller, project: string, body: ImagesPost): Promise<OperationRecord> {
    const place = await enter(caller, project, body.aliases ?? [])
    requireHome(caller, place.home)
    if (body.source?.mode === 'push') return awaitImage(deps, caller, project, body)
    const type = body.source?.type ?? ''
    if (type === 'instance' || type === 'container' || type === 'snapshot') return publish(caller, place, body)
    if (type === 'image') return pull(caller, place, body)
    if (type === 'url') throw badRequest('Images cannot be fetched from a URL; download the tarball and import it')
    throw badRequest(type === '' ? 'Must specify an image source' : `Invalid image source type "${type}"`)
  }

  async function pull(caller: Caller, place: Place, body: ImagesPost): Promise<OperationRecord> {
    const { project, home, aliases } = place
    const source = body.source ?? {}
    if (source.mode && source.mode !== 'pull') throw badRequest(`Images cannot be copied in mode "${source.mode}"`)
    if (source.protocol === 'lxd') return fetch(caller, place, body)
    const text = sources.referenceTo({ ...source, alias: source.alias || source.fingerprint })
    const reference = parseRegistryReference(text)
    if (reference === undefined) throw badRequest(`"${text}" is no reference of an image in a registry`)
    const { username, password } = source
    return submitInHome(deps, caller, project, {
      kind: 'image.pull',
      input: { image: draftOf(home, body, { description: reference }), reference, aliases },
      ...about(lookup.draft(home, { name: reference }), project.name),
      names: claims(aliases),
      secret: username ? { username, password: password ?? '' } : undefined,
    })
  }

  /** From another server of LXD's API, which shows this certificate or one that an authority vouches for. */
  async function fetch(caller: Caller, { project, home, aliases }: Place, body: ImagesPost): Promise<OperationRecord> {
    const source = body.source ?? {}
    const from = sources.fetchOf(caller, source)
    const draft = draftOf(home, body, {})
    const { image: named } = from.origin
    // An alias there says nothing of the fingerprint yet.
    const image = /^[0-9a-f]{64}$/.test(named) ? { ...draft, name: named } : draft
    const { secret } = source
    return submitInHome(deps, caller, project, {
      kind: 'image.import',
      input: { image, upload: imageVolume(image.uuid), aliases, from },
      ...about(image, project.name),
      names: claims(aliases),
      secret: secret ? { secret } : undefined,
    })
  }

  async function publish(
    caller: Caller,
    { project, home, aliases }: Place,
    body: ImagesPost,
  ): Promise<OperationRecord> {
    const { instance, snapshot } = await sourceOf(caller, body.source?.project || project.name, body)
    const from = snapshot ?? instance
    const own = draftOf(home, body, imagePropertiesOf(from.config))
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
    return submitInHome(deps, caller, project, {
      kind: 'image.publish',
      input: {
        image,
        source: { instance: instance.uuid, snapshot: snapshot?.uuid ?? '' },
        compression: parseCompression(body.compression_algorithm ?? ''),
        aliases,
      },
      ...about(image, project.name),
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
    if (!source?.name) throw badRequest('No source provided')
    const { name, snapshotName } = splitSource(source.name)
    const isSnapshot = source.type === 'snapshot'
    if (isSnapshot !== (snapshotName !== undefined))
      throw badRequest(`Not ${isSnapshot ? 'a snapshot' : 'an instance'}`)
    const instance = await records.find('instance', project, name)
    if (instance === undefined) throw notFound('Instance not found')
    if (snapshotName === undefined) return { instance, snapshot: undefined }
    const snapshot = await records.find('snapshot', instance.uuid, snapshotName)
    if (snapshot !== undefined) return { instance, snapshot }
    throw notFound(
      `Failed to fetch snapshot "${snapshotName}" of instance "${name}" in project "${project}": InstanceSnapshot not found`,
    )
  }

  function draftOf(home: string, body: ImagesPost, properties: Record<string, string>): ImageRecord {
    return lookup.draft(home, {
      properties: body.properties ?? properties,
      public: body.public ?? false,
      auto_update: body.auto_update ?? false,
      filename: body.filename ?? '',
      expires_at: parseExpiry(body.expires_at),
      ...(body.profiles == null ? {} : { profiles: body.profiles }),
    })
  }

  /** Where images of a project are made, by those who may; with the records of the aliases that are to lead to the new one. */
  async function enter(
    caller: Caller,
    name: string,
    aliases: { name: string; description?: string | null | undefined }[],
  ): Promise<Place> {
    requireRole(caller, 'operator')
    requireProject(caller, name)
    const project = await loadProject(records, name)
    const home = await homeOf(records, name, 'image')
    return { project, home, aliases: await Promise.all(aliases.map((alias) => aliasOf(home, alias))) }
  }

  async function aliasOf(
    project: string,
    alias: { name: string; description?: string | null | undefined },
  ): Promise<AliasRecord> {
    const name = parseAliasName(alias.name)
    if ((await records.find('alias', project, name)) !== undefined) throw conflict(`Alias "${name}" already exists`)
    return { v: 1, rev: 0, uuid: clock.uuid(), project, name, target: '', description: alias.description ?? '' }
  }

  return { ...createImageUpload({ ...deps, enter }), create }
}
