/** When images were used last: clients show it, and cached ones go by it. */
import type { ImageRecord } from '../contract/records.ts'
import { isFailure } from '../core/failure.ts'
import type { Clock } from '../core/ports.ts'
import { SERVER } from './caller.ts'
import type { Write } from './writes.ts'

/** Milliseconds: instances that are made of one image in a row write it once. */
const FINENESS = 60_000

/** Keeps that an image was used just now; by whom does not matter. */
export type ImageUsed = (image: ImageRecord) => Promise<void>

export function createImageUsed({ write, clock }: { write: Write; clock: Clock }): ImageUsed {
  return async (image) => {
    const now = clock.now()
    if (now - Date.parse(image.last_used_at) < FINENESS) return
    const record = { ...image, last_used_at: new Date(now).toISOString() }
    try {
      await write(SERVER, { changes: [{ change: 'put', noun: 'image', record }], unlessBusy: [`image:${image.uuid}`] })
    } catch (failure) {
      // Somebody else has written it at the same moment, or the next use will.
      if (!isFailure(failure, 'conflict', 'unavailable', 'timeout')) throw failure
    }
  }
}
