/** Secrets by which who is not trusted may read one image: how it gets to another server. */
import { createHash, randomBytes } from 'node:crypto'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ImageRecord } from '../contract/records.ts'
import { isFinal } from '../core/operation-states.ts'
import type { Clock, OperationStore } from '../core/ports.ts'
import type { InputOf } from '../operations/catalog.ts'
import type { Caller } from './caller.ts'
import { imageUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'

/** How long a secret is good, milliseconds. Within that a download that broke off can be tried again. */
const SHARED_FOR = 3_600_000

/** The uuid of the image that this secret is for; undefined: it is none, or not any more. */
export function createSharedBy(deps: { store: Pick<OperationStore, 'busy' | 'get'>; clock: Pick<Clock, 'now'> }) {
  return async (secret: string): Promise<string | undefined> => {
    const held = await deps.store.busy(keyOf(secret))
    const token = held && (await deps.store.get(held.operation))
    if (token?.kind !== 'image.share' || isFinal(token.state)) return undefined
    const { image, expires_at: expiresAt } = token.input as InputOf<'image.share'> // of this kind, written below
    return Date.parse(expiresAt) > deps.clock.now() ? image : undefined
  }
}

/** A token operation whose metadata has a secret for the image. Cancelling it makes the secret worthless. */
export function shareImage(
  deps: { operations: Pick<Operations, 'submit'>; clock: Pick<Clock, 'now'> },
  caller: Caller,
  image: ImageRecord,
): Promise<OperationRecord> {
  const { uuid, name, project, member } = image
  const secret = randomBytes(32).toString('hex')
  return deps.operations.submit(caller, {
    kind: 'image.share',
    input: { image: uuid, expires_at: new Date(deps.clock.now() + SHARED_FOR).toISOString() },
    project,
    member,
    entity: { id: uuid, name, url: imageUrl(image) },
    resources: { images: [imageUrl(image)] },
    // By which it is found again: the store never looks for the secret itself.
    busy: [{ key: keyOf(secret), mode: 'own', action: 'secret' }],
    metadata: { secret },
  })
}

function keyOf(secret: string): `image:${string}` {
  return `image:secret/${createHash('sha256').update(secret).digest('hex')}`
}
