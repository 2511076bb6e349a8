import { containerOf, loadInstance, putInstance } from '../containers.ts'
import { removalOf, removeInstance } from '../removing.ts'
import { observe, vanished, type Handler } from '../steps.ts'
import { stopContainer } from '../stopping.ts'

/** Stops the container. An ephemeral instance is deleted by its stop, as in LXD. */
export const instanceStop: Handler<'instance.stop'> = {
  steps: [
    {
      name: 'stop',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await stopContainer(context, instance, context.input)
        return { ephemeral: instance.ephemeral }
      },
    },
    {
      name: 'remove',
      when: (context) => (context.note('stop') as { ephemeral: boolean }).ephemeral, // the step's own note
      run: async (context) => removeInstance(context, context.input.instance),
    },
  ],
  finish: async (context) => {
    const { member } = context.engine
    const instance = await loadInstance(context, context.input.instance)
    const action = context.input.force ? 'instance-stopped' : 'instance-shutdown'
    if (instance.ephemeral) {
      const changes = await removalOf(context, instance)
      return { action, also: ['instance-deleted'], changes, observed: [vanished(member, instance.container)] }
    }
    const detail = await containerOf(context, instance)
    const record = { ...instance, power: 'stopped' as const }
    return { action, changes: putInstance(record), observed: [observe(member, detail)] }
  },
}
