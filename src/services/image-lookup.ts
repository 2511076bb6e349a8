/** Which image is meant: by fingerprint or its beginning, by alias, by properties, or by a registry's reference. */
import type { Config } from '../contract/common.ts'
import { NEVER } from '../contract/common.ts'
import type { AliasRecord, ImageRecord } from '../contract/records.ts'
import { badRequest, notFound } from '../core/failure.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { standInOf } from '../core/simplestreams.ts'
import { looksLikeReference, parseRegistryReference } from '../core/registry-reference.ts'
import { mayEnter, requireProject, type Caller, type Visitor } from './caller.ts'

export interface ImageLookupDeps {
  records: RecordReader
  clock: Clock
  /** LXD's name of the architecture that pulls are for. */
  architecture: string
  /** The member new images are placed on. */
  member: string
  /** The uuid of the image that this secret is for. */
  sharedBy(secret: string): Promise<string | undefined>
  /** Whose images stand for those of simplestreams servers; undefined: nobody's. */
  registry: string | undefined
}

/** An image with the aliases that lead to it. */
export interface ImageView {
  record: ImageRecord
  aliases: AliasRecord[]
}

/** What a client says of an image it wants. */
export interface ImageChoice {
  alias?: string | null | undefined
  fingerprint?: string | null | undefined
  properties?: Config | null | undefined
  server?: string | null | undefined
  protocol?: string | null | undefined
}

/** An image of the project, or one that is still to be pulled: its record lacks what only the pull tells. */
export type Resolved =
  | { type: 'image'; image: ImageRecord }
  | { type: 'registry'; reference: string; image: ImageRecord; credentials: Credentials | undefined }

export interface Credentials {
  username: string
  password: string
}

export type ImageLookup = ReturnType<typeof createImageLookup>

export function createImageLookup(deps: ImageLookupDeps) {
  const { records, clock } = deps

  /** Images of one project, or of every project the caller may enter; for strangers those that are public. */
  async function list(visitor: Visitor, project: string | undefined): Promise<ImageView[]> {
    if (visitor !== undefined && project !== undefined && !mayEnter(visitor, project)) return []
    const [images, aliases] = await Promise.all([records.list('image', project), records.list('alias', project)])
    return images.filter((image) => maySee(visitor, image)).map((record) => toView(record, aliases))
  }

  /** By fingerprint, whole or the beginning of just one. With its secret strangers see it too. */
  async function get(visitor: Visitor, project: string, fingerprint: string, secret?: string): Promise<ImageView> {
    if (visitor !== undefined) requireProject(visitor, project)
    const shared = visitor === undefined && secret ? await deps.sharedBy(secret) : undefined
    const isSeen = (record: ImageRecord) => maySee(visitor, record) || record.uuid === shared
    const image = await byFingerprint(project, fingerprint, isSeen)
    return toView(image, await records.list('alias', project))
  }

  async function byFingerprint(
    project: string,
    fingerprint: string,
    isSeen: (record: ImageRecord) => boolean = () => true,
  ): Promise<ImageRecord> {
    const exact = await records.find('image', project, fingerprint)
    if (exact !== undefined && isSeen(exact)) return exact
    const matching = (await records.list('image', project)).filter(
      (image) => image.name.startsWith(fingerprint) && isSeen(image),
    )
    if (matching.length > 1 && fingerprint !== '') throw badRequest('More than one image matches')
    const [only] = matching
    if (only === undefined || fingerprint === '') throw notFound('Image not found')
    return only
  }

  async function byAlias(project: string, name: string): Promise<ImageRecord | undefined> {
    const alias = await records.find('alias', project, name)
    return alias && byFingerprint(project, alias.target)
  }

  /** The newest with all of these properties. */
  async function byProperties(project: string, properties: Config): Promise<ImageRecord> {
    const wanted = Object.entries(properties)
    const [newest] = (await records.list('image', project))
      .filter((image) => wanted.every(([key, value]) => image.properties[key] === value))
      .toSorted((a, b) => (a.uploaded_at > b.uploaded_at ? -1 : 1))
    if (newest === undefined) throw notFound('Image not found')
    return newest
  }

  /** The image to make an instance of. */
  async function resolve(caller: Caller, project: string, choice: ImageChoice): Promise<Resolved> {
    requireProject(caller, project)
    if (choice.server && choice.protocol === 'lxd') return fromServer(project, choice)
    if (choice.server) return fromRegistry(project, referenceTo(choice), undefined)
    if (choice.alias) {
      const local = await byAlias(project, choice.alias)
      if (local !== undefined) return { type: 'image', image: local }
      if (looksLikeReference(choice.alias)) return fromRegistry(project, choice.alias, undefined)
      throw notFound('Image alias not found')
    }
    if (choice.fingerprint) return { type: 'image', image: await byFingerprint(project, choice.fingerprint) }
    if (choice.properties && Object.keys(choice.properties).length > 0)
      return { type: 'image', image: await byProperties(project, choice.properties) }
    throw badRequest('Must specify one of alias, fingerprint or properties for init from image')
  }

  /** What is on another server has to be copied first. */
  async function fromServer(project: string, { fingerprint }: ImageChoice): Promise<Resolved> {
    const known = fingerprint ? await records.find('image', project, fingerprint) : undefined
    if (known !== undefined) return { type: 'image', image: known }
    throw badRequest('The image is on another server: copy it here first (lxc image copy REMOTE:IMAGE local:)')
  }

  const referenceTo = (choice: ImageChoice): string => referenceOn(choice, deps.registry)

  /** What was pulled under this reference before is used again, as an engine does. */
  async function fromRegistry(project: string, text: string, credentials: Credentials | undefined): Promise<Resolved> {
    const reference = parseRegistryReference(text)
    if (reference === undefined) throw badRequest(`"${text}" is no reference of an image in a registry`)
    const pulled = (await records.list('image', project)).find(({ source }) => source === reference)
    if (pulled !== undefined) return { type: 'image', image: pulled }
    return {
      type: 'registry',
      reference,
      image: draft(project, { properties: { description: reference } }),
      credentials,
    }
  }

  /** A new image's record, as far as it is known before it is made. */
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

  return { list, get, byAlias, resolve, referenceTo, draft }
}

function maySee(visitor: Visitor, image: ImageRecord): boolean {
  return visitor === undefined ? image.public : mayEnter(visitor, image.project)
}

function toView(record: ImageRecord, aliases: AliasRecord[]): ImageView {
  const own = aliases.filter((alias) => alias.project === record.project && alias.target === record.name)
  return { record, aliases: own }
}

const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'hub.docker.com'])

/** LXD's `server`, `protocol` and `alias` as one reference. */
function referenceOn({ server, protocol, alias }: ImageChoice, registry: string | undefined): string {
  if (!alias) throw badRequest('An alias such as alpine:3.20 must say which image to pull')
  if (protocol === 'simplestreams') return standInOf(server ?? '', alias, registry)
  if (!['', 'oci', 'docker'].includes(protocol ?? ''))
    throw badRequest(
      `Images cannot be copied by the protocol "${protocol}"; pull from a container registry (protocol "oci"), or export and import them`,
    )
  if (!server) return alias
  const host = URL.canParse(server) ? new URL(server).host : server
  return DOCKER_HUB.has(host) ? alias : `${host}/${alias}`
}
