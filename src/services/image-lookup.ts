/** Which image is meant: by fingerprint or its beginning, by alias, by properties, or by a registry's reference. */
import type { Config } from '../contract/common.ts'
import { NEVER } from '../contract/common.ts'
import type { AliasRecord, ImageRecord } from '../contract/records.ts'
import { isTrue } from '../core/config-values.ts'
import { badRequest, notFound } from '../core/failure.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'
import { looksLikeReference, parseRegistryReference } from '../core/registry-reference.ts'
import type { ImageFetch } from '../operations/inputs.ts'
import { mayEnter, requireProject, type Caller, type Visitor } from './caller.ts'
import { imageSettings, UPDATE_CACHED } from './image-settings.ts'
import type { ImageChoice, ImageSources } from './image-sources.ts'

export interface ImageLookupDeps {
  records: RecordReader
  clock: Clock
  /** LXD's name of the architecture that pulls are for. */
  architecture: string
  /** The member new images are placed on. */
  member: string
  /** The uuid of the image that this secret is for. */
  sharedBy(secret: string): Promise<string | undefined>
  sources: Pick<ImageSources, 'fetchOf' | 'referenceTo'>
}

/** An image with the aliases that lead to it. */
export interface ImageView {
  record: ImageRecord
  aliases: AliasRecord[]
}

/** An image of the project, or one that is still to be brought here: its record lacks what only that tells. */
export type Resolved =
  | { type: 'image'; image: ImageRecord }
  | { type: 'registry'; reference: string; image: ImageRecord }
  | { type: 'server'; from: ImageFetch; image: ImageRecord; secret: { secret: string } | undefined }

export type ImageLookup = ReturnType<typeof createImageLookup>

export function createImageLookup(deps: ImageLookupDeps) {
  const { records, clock, sources } = deps

  /** Images of one project, or of every project the caller may enter; for strangers those that are public. */
  async function list(visitor: Visitor, project: string | undefined): Promise<ImageView[]> {
    if (visitor !== undefined && project !== undefined && !mayEnter(visitor, project)) return []
    const home = project && (await homeOf(records, project, 'image'))
    const [images, aliases] = await Promise.all([records.list('image', home), records.list('alias', home)])
    const isSeen = (image: ImageRecord): boolean =>
      visitor === undefined ? image.public : home !== undefined || mayEnter(visitor, image.project)
    return images.filter(isSeen).map((record) => toView(record, aliases))
  }

  /** By fingerprint, whole or the beginning of just one. With its secret strangers see it too. */
  async function get(visitor: Visitor, project: string, fingerprint: string, secret?: string): Promise<ImageView> {
    if (visitor !== undefined) requireProject(visitor, project)
    const image = (await sharedImage(visitor, fingerprint, secret)) ?? (await seenImage(visitor, project, fingerprint))
    return toView(image, await records.list('alias', image.project))
  }

  /** A secret is for one image, whichever project it is in: LXD's client names none where it makes an instance. */
  async function sharedImage(visitor: Visitor, fingerprint: string, secret: string | undefined) {
    const shared = visitor === undefined && secret ? await deps.sharedBy(secret) : undefined
    const image = shared && (await records.get('image', shared))
    return image && image.name === fingerprint ? image : undefined
  }

  /** Who has entered the project sees what it has or shares. */
  async function seenImage(visitor: Visitor, project: string, fingerprint: string): Promise<ImageRecord> {
    const home = await homeOf(records, project, 'image')
    return byFingerprint(home, fingerprint, (record) => visitor !== undefined || record.public)
  }

  async function byFingerprint(
    home: string,
    fingerprint: string,
    isSeen: (record: ImageRecord) => boolean = () => true,
  ): Promise<ImageRecord> {
    const exact = await records.find('image', home, fingerprint)
    if (exact !== undefined && isSeen(exact)) return exact
    const matching = (await records.list('image', home)).filter(
      (image) => image.name.startsWith(fingerprint) && isSeen(image),
    )
    if (matching.length > 1 && fingerprint !== '') throw badRequest('More than one image matches')
    const [only] = matching
    if (only === undefined || fingerprint === '') throw notFound('Image not found')
    return only
  }

  async function byAlias(project: string, name: string): Promise<ImageRecord | undefined> {
    const home = await homeOf(records, project, 'image')
    const alias = await records.find('alias', home, name)
    return alias && byFingerprint(home, alias.target)
  }

  /** The newest with all of these properties. */
  async function byProperties(home: string, properties: Config): Promise<ImageRecord> {
    const wanted = Object.entries(properties)
    const [newest] = (await records.list('image', home))
      .filter((image) => wanted.every(([key, value]) => image.properties[key] === value))
      .toSorted((a, b) => (a.uploaded_at > b.uploaded_at ? -1 : 1))
    if (newest === undefined) throw notFound('Image not found')
    return newest
  }

  /** The image to make an instance of. One that is brought for it goes where the project has its images. */
  async function resolve(caller: Caller, project: string, choice: ImageChoice): Promise<Resolved> {
    requireProject(caller, project)
    const home = await homeOf(records, project, 'image')
    if (choice.server && choice.protocol === 'lxd') return fromServer(caller, home, choice)
    if (choice.server) return fromRegistry(home, sources.referenceTo(choice))
    if (choice.alias) {
      const local = await byAlias(project, choice.alias)
      if (local !== undefined) return { type: 'image', image: local }
      if (looksLikeReference(choice.alias)) return fromRegistry(home, choice.alias)
      throw notFound('Image alias not found')
    }
    if (choice.fingerprint) return { type: 'image', image: await byFingerprint(home, choice.fingerprint) }
    if (choice.properties && Object.keys(choice.properties).length > 0)
      return { type: 'image', image: await byProperties(home, choice.properties) }
    throw badRequest('Must specify one of alias, fingerprint or properties for init from image')
  }

  /**
   * What the project has of it is used again: the image itself, and of an alias one that was brought by it before and
   * is kept up to date, as in LXD.
   */
  async function fromServer(caller: Caller, home: string, choice: ImageChoice): Promise<Resolved> {
    const from = sources.fetchOf(caller, choice)
    const { url, image, project: there } = from.origin
    const known = (await records.list('image', home)).find(
      ({ name, origin, auto_update: isFollowing, cached }) =>
        name === image ||
        (cached && isFollowing && origin?.url === url && origin.image === image && origin.project === there),
    )
    if (known !== undefined) return { type: 'image', image: known }
    const { secret } = choice
    return {
      type: 'server',
      from,
      image: await cachedDraft(home, { auto_update: !secret }),
      secret: secret ? { secret } : undefined,
    }
  }

  /** What was pulled under this reference before is used again, as an engine does. */
  async function fromRegistry(home: string, text: string): Promise<Resolved> {
    const reference = parseRegistryReference(text)
    if (reference === undefined) throw badRequest(`"${text}" is no reference of an image in a registry`)
    const pulled = (await records.list('image', home)).find(({ source }) => source === reference)
    if (pulled !== undefined) return { type: 'image', image: pulled }
    const image = await cachedDraft(home, { properties: { description: reference }, auto_update: true })
    return { type: 'registry', reference, image }
  }

  /** Of an image that is brought for an instance. `auto_update` only where the settings want it. */
  async function cachedDraft(home: string, given: Partial<ImageRecord>): Promise<ImageRecord> {
    const setting = await imageSettings(records)
    const isFollowing = given.auto_update === true && isTrue(setting(home, UPDATE_CACHED))
    const last_used_at = new Date(clock.now()).toISOString()
    return draft(home, { ...given, cached: true, auto_update: isFollowing, last_used_at })
  }

  /** A new image's record in the project where it is to be, as far as it is known before it is made. */
  function draft(project: string, given: Partial<ImageRecord>): ImageRecord {
    const now = new Date(clock.now()).toISOString()
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project,
      name: '',
      member: deps.member,
      engineImage: '',
      boot: 'application',
      architecture: deps.architecture,
      filename: '',
      size: 0,
      tarball: '',
      source: '',
      properties: {},
      profiles: ['default'],
      public: false,
      auto_update: false,
      cached: false,
      created_at: now,
      uploaded_at: now,
      expires_at: NEVER,
      last_used_at: NEVER,
      ...given,
    }
  }

  return { list, get, byAlias, resolve, draft }
}

function toView(record: ImageRecord, aliases: AliasRecord[]): ImageView {
  const own = aliases.filter((alias) => alias.project === record.project && alias.target === record.name)
  return { record, aliases: own }
}
