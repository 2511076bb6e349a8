/**
 * What ended operations have left in an engine: what a call still made whose worker had died, what was in use when it
 * was to go. Only what an operation has made that Redis knows as ended, and what no record explains; everything else
 * is left alone, whoever's it is.
 */
import type { ContainerSummary, OwnLabels } from '../core/container.ts'
import type { ImageDetailSummary } from '../core/engine.ts'
import { parseTag, type OwnTag } from '../core/own-tags.ts'
import { mentioned, readKnown, type Sight, type SightDeps } from './sight.ts'
import type { Mend } from './mend.ts'

const SUPERSEDED = 'A restore has given its storage volume another one; it goes when nothing mounts it any more'
const REASON = 'An operation that has ended has left it, and no record explains it'

export async function findLeftovers(deps: SightDeps, sight: Sight, now: number): Promise<Mend[]> {
  return [
    ...leftContainers(sight, now),
    ...leftVolumes(sight),
    ...leftNetworks(sight),
    ...(await leftTags(deps, sight, now)),
    ...leftImages(sight),
  ]
}

/** Made by an operation that has ended, and of no record that could not be read. */
export function isLeft({ maker, known }: Sight, own: OwnLabels | undefined): own is OwnLabels {
  return own !== undefined && maker(own) === 'ended' && !known.unreadable.has(own.uuid)
}

function leftContainers(sight: Sight, now: number): Mend[] {
  const { containers } = sight.engine
  const left = sight.containers.filter(
    (one) => (isLeft(sight, one.own) && !explainsContainer(sight, one)) || isForgotten(one, now),
  )
  return left.map(({ id, name }) => ({
    action: 'remove',
    object: `container ${name} (${id.slice(0, 12)})`,
    reason: REASON,
    mend: async () => {
      await containers.remove(id, { force: true })
      return true
    },
  }))
}

/** A helper of no operation: of a reader who began without Redis, and has at most this long, or of a look; milliseconds. */
const READ_WITHIN = 24 * 3_600_000
const LOOKED_WITHIN = 60_000

function isForgotten({ own, status, created }: ContainerSummary, now: number): boolean {
  if (own?.role !== 'helper' || own.operation !== '' || status === 'running') return false
  return created < now - (own.step === 'read' ? READ_WITHIN : LOOKED_WITHIN)
}

/** A record points to it, or would have to: an instance whose container is gone is not left without this one. */
export function explainsContainer({ known, containers }: Sight, { id, own }: ContainerSummary): boolean {
  if (known.instances.some(({ container }) => container === id)) return true
  if (own?.role !== 'instance') return false
  const record = known.instances.find(({ uuid }) => uuid === own.uuid)
  return record !== undefined && !containers.some((one) => one.id === record.container)
}

function leftVolumes(sight: Sight): Mend[] {
  const { volumes } = sight.engine
  const superseded = new Set(sight.known.volumes.flatMap((one) => one.superseded ?? []))
  const left = sight.volumes.filter(
    ({ name, own }) => superseded.has(name) || (isLeft(sight, own) && !explainsVolume(sight, name, own)),
  )
  return left.map(({ name }) => ({
    action: 'remove',
    object: `volume ${name}`,
    reason: superseded.has(name) ? SUPERSEDED : REASON,
    mend: async () => (await volumes.remove(name)) === 'removed',
  }))
}

/** A command's output belongs to its instance. */
export function explainsVolume({ known }: Sight, name: string, own: OwnLabels | undefined): boolean {
  const { instances, snapshots, backups, images, volumes, volumeSnapshots, volumeBackups } = known
  return (
    [...instances, ...snapshots].some((one) => one.volumes.some(({ volume }) => volume === name)) ||
    [...images, ...backups, ...volumeBackups].some(({ tarball }) => tarball === name) ||
    [...volumes, ...volumeSnapshots].some(({ volume }) => volume === name) ||
    volumes.some(({ superseded }) => superseded?.includes(name)) ||
    (own?.role === 'output' && instances.some(({ uuid }) => uuid === own.uuid))
  )
}

function leftNetworks(sight: Sight): Mend[] {
  const { networks } = sight.engine
  const left = sight.networks.filter(({ id, own }) => isLeft(sight, own) && !explainsNetwork(sight, id))
  return left.map(({ id, name }) => ({
    action: 'remove',
    object: `network ${name}`,
    reason: REASON,
    mend: async () => (await networks.remove(id)) === 'removed',
  }))
}

export function explainsNetwork({ known }: Sight, id: string): boolean {
  return known.networks.some(({ network }) => network === id)
}

interface Tagged {
  image: ImageDetailSummary
  tag: string
  about: OwnTag
}

/** A tag says whose it is only where the image was made for it; else the operations of the last hour are asked. */
async function leftTags(deps: SightDeps, sight: Sight, now: number): Promise<Mend[]> {
  const suspects = sight.images.flatMap((image) =>
    image.tags.flatMap((tag): Tagged[] => {
      const about = parseTag(tag)
      if (about === undefined || sight.known.unreadable.has(about.uuid)) return []
      return explainsTag(sight, image, about) ? [] : [{ image, tag, about }]
    }),
  )
  const foreign = suspects.filter(({ image, about }) => !isMadeFor(image, about))
  const makers = await mentioned(deps, [...new Set(foreign.map(({ about }) => about.uuid))], now)
  // Here the records were read before the operations: what has ended in between has its record only now.
  const later = [...makers.values()].includes('ended') ? { ...sight, known: await readKnown(deps) } : sight
  const left = suspects.filter(({ image, about }) =>
    isMadeFor(image, about)
      ? isLeft(sight, image.own)
      : makers.get(about.uuid) === 'ended' && !explainsTag(later, image, about),
  )
  return left.map(({ tag }) => ({
    action: 'remove',
    object: `tag ${tag}`,
    reason: REASON,
    mend: async () => (await sight.engine.images.untag(tag)) === 'removed',
  }))
}

/** A part is called by nobody's uuid; a keeper holds an image of which the snapshot or image is gone. */
function isMadeFor({ own }: ImageDetailSummary, { role, uuid }: OwnTag): boolean {
  return own !== undefined && (role === 'part' || role === 'kept' || own.uuid === uuid)
}

export function explainsTag({ known }: Sight, { id }: ImageDetailSummary, { role, uuid }: OwnTag): boolean {
  const isOf = (one: { uuid: string }) => one.uuid === uuid
  switch (role) {
    case 'snapshot':
      return known.snapshots.some(isOf)
    case 'image':
      return known.images.some(isOf)
    case 'instance':
      return known.instances.some((one) => isOf(one) && one.engineImage === id)
    case 'kept':
      return [...known.snapshots, ...known.images].some(isOf)
    case 'part':
      return false
  }
}

/**
 * Images without a name: a commit that ended after its operation. The engine is asked to give one back under a passing
 * name, which it refuses where something needs it: never by id, never by force.
 */
function leftImages(sight: Sight): Mend[] {
  const { images } = sight.engine
  return sight.images
    .filter((image) => isLeft(sight, image.own) && isUseless(sight, image))
    .map(({ id, own }) => ({
      action: 'remove',
      object: `image ${id.replace('sha256:', '').slice(0, 12)}`,
      reason: REASON,
      mend: async () => {
        const tag = `windlass/part:${own?.operation ?? ''}`
        await images.tag(id, tag)
        return (await images.untag(tag)) === 'removed'
      },
    }))
}

function isUseless({ known, images, usedImages }: Sight, { id, tags }: ImageDetailSummary): boolean {
  const isUsed = [...known.instances, ...known.snapshots, ...known.images].some((one) => one.engineImage === id)
  return tags.length === 0 && !isUsed && !usedImages.has(id) && !images.some(({ parent }) => parent === id)
}
