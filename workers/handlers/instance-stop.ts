import { withPower } from '../../src/core/outside-change.ts'
import { loadInstance, putInstance, startContainer } from '../containers.ts'
import { removalOf, removeInstance } from '../removing.ts'
import { observe, vanished, type Handler } from '../steps.ts'
import { stopContainer } from '../stopping.ts'

/**
 * Stops the container; a cancel that comes too late for that starts it again. An ephemeral instance is deleted by its
 * stop, as in LXD: from there on it only goes forward.
 */
export const instanceStop: Handler<'instance.stop'> = {
  steps: [
    {
      name: 'stop',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await stopContainer(context, instance, context.input)
        return { ephemeral: instance.ephemeral }
      },
      undo: async (context) => {
        await startContainer(context, (await loadInstance(context, context.input.instance)).container)
        return 'Started the instance again'
      },
    },
    {
      name: 'remove',
      when: (context) => (context.note('stop') as { ephemeral: boolean }).ephemeral, // the step's own note
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.forward(putInstance(withPower(instance, 'stopped')))
        await removeInstance(context, context.input.instance)
      },
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
    const { container } = instance
    const detail = await context.engine.containers.inspect(container, context.signal)
    return {
      action,
      changes: putInstance(withPower(instance, 'stopped')),
      observed: [detail === undefined ? vanished(member, container) : observe(member, detail)],
    }
  },
}
