import type { InstanceRecord } from '../../src/contract/records.ts'
import { APPLY_TEMPLATE } from '../../src/core/guest.ts'
import { unapplied } from '../../src/core/pending.ts'
import { containerOf, finalName, loadInstance } from '../containers.ts'
import { observe, renamed, type Handler } from '../steps.ts'

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
          finalName(toBeCalled(instance, context.input.name)),
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
    const observed = [observe(context.engine.member, await containerOf(context, instance))]
    const { name } = context.input
    // Only its container had another name.
    if (name === instance.name)
      return { changes: [{ change: 'put', noun: 'instance', record: instance }], action: 'instance-updated', observed }
    const record = unapplied(toBeCalled(instance, name))
    return { ...renamed(context, { noun: 'instance', record }, instance.name), observed }
  },
}

function toBeCalled(instance: InstanceRecord, name: string): InstanceRecord {
  const isTold = Object.values(instance.metadata?.templates ?? {}).some(({ when }) => when.includes('rename'))
  // What is to be made for the first time is made under the new name anyway.
  if (!isTold || instance.config[APPLY_TEMPLATE] !== undefined) return { ...instance, name }
  return { ...instance, name, config: { ...instance.config, [APPLY_TEMPLATE]: 'rename' } }
}
