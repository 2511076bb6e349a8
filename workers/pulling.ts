import type { ImageRecord } from '../src/contract/records.ts'
import { lxdArchitecture } from '../src/core/architecture.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { imageTag } from '../src/core/own-tags.ts'
import { imageOf } from './containers.ts'
import type { Context } from './steps.ts'

/** What a pull brought: the fingerprint is the digest of the platform's manifest. */
export interface Pulled {
  engineImage: string
  fingerprint: string
  architecture: string
  size: number
  reference: string
}

/** Pulls a registry reference for the image record `uuid`. Pulling again finds the layers already there. */
export async function pulledImage(context: Context<Kind>, reference: string, uuid: string): Promise<Pulled> {
  const { images } = context.engine
  const credentials = context.secret as { username: string; password: string } | undefined // written by our own service
  const onProgress = (progress: { text: string; percent: number }) => context.progress(progress.text, progress.percent)
  const pulled = await images.pull(
    reference,
    credentials === undefined ? { onProgress } : { credentials, onProgress },
    context.signal,
  )
  const detail = await imageOf(context, pulled.id)
  // A registry that names no digest leaves the engine's own.
  const fingerprint = (pulled.digest || pulled.id).replace(/^sha256:/, '')
  await images.tag(pulled.id, imageTag(uuid), context.signal)
  return {
    engineImage: pulled.id,
    fingerprint,
    architecture: lxdArchitecture(detail.architecture),
    size: detail.size,
    reference,
  }
}

export function recordOfPulled(
  pulled: Pulled,
): Pick<ImageRecord, 'name' | 'engineImage' | 'architecture' | 'size' | 'source'> {
  return {
    name: pulled.fingerprint,
    engineImage: pulled.engineImage,
    architecture: pulled.architecture,
    size: pulled.size,
    source: pulled.reference,
  }
}
