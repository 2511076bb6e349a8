/** The engine's images behind snapshots, copies and recreated containers. */
import type { InstanceRecord } from '../src/contract/records.ts'
import type { ObjectRole } from '../src/core/container.ts'
import { instanceTag, keeperTag } from '../src/core/own-tags.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context } from './steps.ts'

/** Of an image that is made for one instance alone; each recreation has another one, so that it can be undone. */
export const ownTag = (context: Context<Kind>, uuid: string): string =>
  `${instanceTag(uuid)}-${context.operation.id.slice(-12)}`

/** The files of a container as an image. Finds the commit of an earlier attempt by its labels. */
export async function commitInstance(
  context: Context<Kind>,
  instance: InstanceRecord,
  made: { role: ObjectRole; uuid: string; tag: string; project?: string; origin?: unknown },
): Promise<string> {
  const { role, uuid, project = instance.project, origin } = made
  const labels = context.labels({ role, uuid, project, origin })
  const options = { labels, tag: made.tag, first: !context.again }
  return context.engine.images.commit(instance.container, options, context.signal)
}

/**
 * Takes away the tag of a snapshot or an image. Instances whose containers are made from it each get a tag of their
 * own in its place, which goes when they need it no longer; the engine's image goes with the last tag. One that only
 * containers made by others use is kept.
 */
export async function releaseImage(
  context: Context<Kind>,
  tag: string,
  engineImage: string,
  uuid: string,
): Promise<void> {
  const { images } = context.engine
  if ((await images.untag(tag, context.signal)) !== 'in-use') return
  const instances = await context.records.list('instance')
  const users = instances.filter((instance) => instance.engineImage === engineImage)
  const tags = users.length === 0 ? [keeperTag(uuid)] : users.map((user) => instanceTag(user.uuid))
  for (const own of tags) await images.tag(engineImage, own, context.signal)
  await images.untag(tag, context.signal)
}

/** Takes away what an instance has called an image of its own, once its container is `gone`. */
export async function releaseOwnImage(
  context: Context<Kind>,
  { uuid, engineImage }: { uuid: string; engineImage: string },
  gone?: Promise<void>,
): Promise<void> {
  const { images } = context.engine
  const [image] = await Promise.all([images.inspect(engineImage, context.signal), gone])
  const own = (image?.tags ?? []).filter((tag) => tag.startsWith(instanceTag(uuid)))
  for (const tag of own) await images.untag(tag, context.signal)
}
