/** The engine's images behind snapshots, copies and recreated containers. */
import type { InstanceRecord } from '../src/contract/records.ts'
import type { ObjectRole } from '../src/core/container.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context } from './steps.ts'

export const snapshotTag = (uuid: string): string => `windlass/snapshot:${uuid}`
export const imageTag = (uuid: string): string => `windlass/image:${uuid}`
export const temporaryTag = (context: Context<Kind>): string => `windlass/operation:${context.operation.id}`
const keeperTag = (uuid: string): string => `windlass/kept:${uuid}`

/** The files of a container as an image. Finds the commit of an earlier attempt by its labels. */
export async function commitInstance(
  context: Context<Kind>,
  instance: InstanceRecord,
  made: { role: ObjectRole; uuid: string; tag: string; origin?: unknown },
): Promise<string> {
  const labels = context.labels({ role: made.role, uuid: made.uuid, project: instance.project, origin: made.origin })
  return context.engine.images.commit(instance.container, { labels, tag: made.tag }, context.signal)
}

/**
 * Forgets an image that something may still be made from: the keeper tag goes only when nothing uses it, and the
 * sweeper tries again later.
 */
export async function releaseImage(
  context: Context<Kind>,
  tag: string,
  engineImage: string,
  uuid: string,
): Promise<void> {
  const { images } = context.engine
  if ((await images.untag(tag, context.signal)) !== 'in-use') return
  await images.tag(engineImage, keeperTag(uuid), context.signal)
  await images.untag(tag, context.signal)
}
