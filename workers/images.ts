/** What the kinds that make an image share: its end, and taking back what was made. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AliasRecord, ImageRecord } from '../src/contract/records.ts'
import type { PackedBy } from '../src/core/compression.ts'
import { imageVolume, KEPT_FILE, type KeptFile } from '../src/core/kept-files.ts'
import type { RecordChange } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context, Outcome } from './steps.ts'

/** The new image with its aliases, told as LXD's clients read it. */
export function made(record: ImageRecord, aliases: AliasRecord[]): Outcome {
  return {
    ...told(record, aliases),
    changes: [{ change: 'put', noun: 'image', record }, ...putAliases(record, aliases)],
  }
}

/** An image that the project has already: what was asked for is true of it from now on, and the aliases lead to it. */
export function reused(known: ImageRecord, wanted: ImageRecord, aliases: AliasRecord[]): Outcome {
  const record: ImageRecord = {
    ...known,
    // Somebody wants to have it, beyond the instance that it was brought for.
    cached: known.cached && wanted.cached,
    public: known.public || wanted.public,
    auto_update: known.auto_update || wanted.auto_update,
  }
  return {
    ...told(record, aliases),
    changes: [{ change: 'put', noun: 'image', record }, ...putAliases(record, aliases)],
  }
}

function told(record: ImageRecord, aliases: AliasRecord[]): Omit<Outcome, 'changes'> {
  return {
    metadata: { fingerprint: record.name, size: String(record.size) },
    source: `/1.0/images/${record.name}`,
    // An image is told of where it is, whichever project has asked for it.
    project: record.project,
    context: { type: 'container', ...(aliases.length === 0 ? {} : { aliases: aliases.map(({ name }) => name) }) },
  }
}

function putAliases(record: ImageRecord, aliases: AliasRecord[]): RecordChange[] {
  return aliases.map((alias) => ({ change: 'put', noun: 'alias', record: { ...alias, target: record.name } }))
}

export async function dropTag(context: Context<Kind>, tag: string): Promise<boolean> {
  return (await context.engine.images.untag(tag, context.signal)) === 'removed'
}

/** How often, and after how many milliseconds, a volume that is just being read is tried again. */
const TRIES = 5
const BETWEEN = 400

/** Removes a volume with the helpers that a worker that died has left on it. One that stays in use is told. */
export async function dropVolume(context: Context<Kind>, volume: string): Promise<boolean> {
  const { containers, volumes } = context.engine
  const helpers = await containers.find({ operation: context.operation.id, role: 'helper' }, context.signal)
  for (const helper of helpers) await containers.remove(helper.id, { force: true }, context.signal)
  for (let tries = 0; tries < TRIES; tries++) {
    const outcome = await volumes.remove(volume, context.signal)
    if (outcome !== 'in-use') return outcome === 'removed'
    await sleep(BETWEEN, undefined, { signal: context.signal })
  }
  context.warn(`Volume ${volume} is still in use and was left`)
  return false
}

/** The image's files as a tarball in its own volume; half a tarball of an earlier attempt is thrown away first. */
export async function packImage(context: Context<Kind>, image: ImageRecord, compression: PackedBy): Promise<KeptFile> {
  const { uuid, project, architecture, properties, boot, engineImage } = image
  const volume = imageVolume(uuid)
  await dropVolume(context, volume)
  const labels = context.labels({ role: 'tarball', uuid, project, origin: image })
  const { templates = {}, files = {} } = image.metadata ?? {}
  const created = Date.parse(image.created_at)
  const expires = Math.max(0, Date.parse(image.expires_at))
  const metadata = { architecture, created, expires, properties, boot, templates: { templates, files } }
  const options = { volume, file: KEPT_FILE, labels, compression, metadata }
  return context.engine.images.packTarball(engineImage, options, context.signal)
}
