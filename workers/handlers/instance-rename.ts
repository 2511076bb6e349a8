import type { InstanceRecord } from '../../src/contract/records.ts'
import { APPLY_TEMPLATE } from '../../src/core/guest.ts'
import { containerOf, finalName, loadInstance } from '../containers.ts'
import { unapplied } from '../pending.ts'
import { observe, type Handler } from '../steps.ts'

/**
 * Renames the instance. Its uuid, address and snapshots stay. The hostname inside, and the name by which others on its
 * networks find it, follow at its next start, as in LXD: with a new container.
 */
export const instanceRename: Handler<'instance.rename'> = {
  steps: [
    {
      name: 'name',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.rename(
          instance.container,
          finalName(renamed(instance, context.input.name)),
          context.signal,
        )
      },
      undo: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.rename(instance.container, finalName(instance), context.signal)
        return `Renamed the container back to ${instance.name}`
      },
    },
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const isNew = context.input.name !== instance.name
    const record = isNew ? unapplied(renamed(instance, context.input.name)) : instance
    return {
      changes: [{ change: 'put', noun: 'instance', record }],
      // Only its container had another name.
      ...(isNew ? { context: { old_name: instance.name } } : { action: 'instance-updated' }),
      source: context.operation.entity.url.replace(/[^/?]+(?=$|\?)/, encodeURIComponent(record.name)),
      observed: [observe(context.engine.member, await containerOf(context, instance))],
    }
  },
}

function renamed(instance: InstanceRecord, name: string): InstanceRecord {
  const isTold = Object.values(instance.metadata?.templates ?? {}).some(({ when }) => when.includes('rename'))
  // What is to be made for the first time is made under the new name anyway.
  if (!isTold || instance.config[APPLY_TEMPLATE] !== undefined) return { ...instance, name }
  return { ...instance, name, config: { ...instance.config, [APPLY_TEMPLATE]: 'rename' } }
}
