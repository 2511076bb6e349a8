/** What the kinds that make an image share: its end, and taking back what was made. */
import type { AliasRecord, ImageRecord } from '../src/contract/records.ts'
import type { RecordChange } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context, Outcome } from './steps.ts'

/** The new image with its aliases, told as LXD's clients read it. */
export function made(record: ImageRecord, aliases: AliasRecord[]): Outcome {
  return { ...told(record, aliases), changes: [{ change: 'put', noun: 'image', record }, ...putAliases(record, aliases)] }
}

/** An image that the project has already; only the aliases are new. */
export function reused(record: ImageRecord, aliases: AliasRecord[]): Outcome {
  return { ...told(record, aliases), changes: putAliases(record, aliases) }
}

function told(record: ImageRecord, aliases: AliasRecord[]): Omit<Outcome, 'changes'> {
  return {
    metadata: { fingerprint: record.name, size: String(record.size) },
    source: `/1.0/images/${record.name}`,
    context: { type: 'container', ...(aliases.length === 0 ? {} : { aliases: aliases.map(({ name }) => name) }) },
  }
}

function putAliases(record: ImageRecord, aliases: AliasRecord[]): RecordChange[] {
  return aliases.map((alias) => ({ change: 'put', noun: 'alias', record: { ...alias, target: record.name } }))
}

export async function dropTag(context: Context<Kind>, tag: string): Promise<boolean> {
  return (await context.engine.images.untag(tag, context.signal)) === 'removed'
}

/** Removes a volume with the helpers that a worker that died has left on it. */
export async function dropVolume(context: Context<Kind>, volume: string): Promise<boolean> {
  const { containers, volumes } = context.engine
  const helpers = await containers.find({ operation: context.operation.id, role: 'helper' }, context.signal)
  for (const helper of helpers) await containers.remove(helper.id, { force: true }, context.signal)
  const outcome = await volumes.remove(volume, context.signal)
  if (outcome === 'in-use') context.warn(`Volume ${volume} is still in use and was left`)
  return outcome === 'removed'
}
