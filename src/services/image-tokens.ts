/** Secrets by which who is not trusted may read one image, or send one: how images get from server to server. */
import { createHash, randomBytes } from 'node:crypto'
import type { ImagesPost } from '../contract/image.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ImageRecord } from '../contract/records.ts'
import { badRequest } from '../core/failure.ts'
import { isFinal } from '../core/operation-states.ts'
import type { Clock, OperationStore } from '../core/ports.ts'
import { isSameText } from '../core/same-text.ts'
import { parseExpiry } from '../core/times.ts'
import type { InputOf } from '../operations/catalog.ts'
import type { Caller } from './caller.ts'
import { imageUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'

/** How long a secret is good, milliseconds. Within that a transfer that broke off can be tried again. */
const GOOD_FOR = 3_600_000

interface Reading {
  store: Pick<OperationStore, 'busy' | 'get'>
  clock: Pick<Clock, 'now'>
}

interface Making {
  operations: Pick<Operations, 'submit'>
  clock: Pick<Clock, 'now'>
}

/** An image that a server which is not trusted may send, for whoever has asked for it. */
export interface Expected {
  caller: Caller
  project: string
  wanted: InputOf<'image.await'>
}

/** The uuid of the image that this secret is for; undefined: it is none, or not any more. */
export function createSharedBy(deps: Reading) {
  return async (secret: string): Promise<string | undefined> => {
    const token = await tokenOf(deps, secret)
    if (token?.kind !== 'image.share') return undefined
    const { image, expires_at: expiresAt } = token.input as InputOf<'image.share'> // of this kind, written below
    return Date.parse(expiresAt) > deps.clock.now() ? image : undefined
  }
}

/** What may be sent with this secret; undefined: nothing, or something else. */
export function createExpectedBy(deps: Reading) {
  return async (secret: string, fingerprint: string): Promise<Expected | undefined> => {
    const token = await tokenOf(deps, secret)
    if (token?.kind !== 'image.await') return undefined
    const wanted = token.input as InputOf<'image.await'> // of this kind, written below
    if (!isSameText(wanted.image, fingerprint) || Date.parse(wanted.expires_at) <= deps.clock.now()) return undefined
    const { requestor, role, project } = token
    return { caller: { requestor, role, projects: [project] }, project, wanted }
  }
}

/** A token operation whose metadata has a secret for the image. Cancelling it makes the secret worthless. */
export function shareImage(
  deps: Making,
  caller: Caller,
  project: string,
  image: ImageRecord,
): Promise<OperationRecord> {
  const { uuid, name, member } = image
  return deps.operations.submit(caller, {
    kind: 'image.share',
    input: { image: uuid, expires_at: goodUntil(deps) },
    project,
    member,
    entity: { id: uuid, name, url: imageUrl(image) },
    resources: { images: [imageUrl(image)] },
    ...newSecret(),
  })
}

/** The same for an image that another server is to send; `image` is what LXD's client calls it there. */
export function awaitImage(
  deps: Making & { member: string },
  caller: Caller,
  project: string,
  body: ImagesPost,
): Promise<OperationRecord> {
  const image = body.source?.fingerprint ?? ''
  if (image === '') throw badRequest('The image that is to be pushed must be named by its fingerprint')
  return deps.operations.submit(caller, {
    kind: 'image.await',
    input: {
      image,
      public: body.public ?? false,
      properties: body.properties ?? {},
      keep_until: parseExpiry(body.expires_at),
      aliases: (body.aliases ?? []).map(({ name, description }) => ({ name, description: description ?? '' })),
      expires_at: goodUntil(deps),
    },
    project,
    member: deps.member,
    entity: { id: '', name: image, url: '/1.0/images' },
    resources: { images: [image] },
    ...newSecret(),
  })
}

function newSecret() {
  const secret = randomBytes(32).toString('hex')
  return {
    // By which it is found again: the store never looks for the secret itself.
    busy: [{ key: keyOf(secret), mode: 'own' as const, action: 'secret' }],
    metadata: { secret },
  }
}

function goodUntil({ clock }: Making): string {
  return new Date(clock.now() + GOOD_FOR).toISOString()
}

async function tokenOf({ store }: Reading, secret: string): Promise<OperationRecord | undefined> {
  const held = await store.busy(keyOf(secret))
  const token = held && (await store.get(held.operation))
  return token === undefined || isFinal(token.state) ? undefined : token
}

function keyOf(secret: string): `image:${string}` {
  return `image:secret/${createHash('sha256').update(secret).digest('hex')}`
}
