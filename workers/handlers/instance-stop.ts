import { withPower } from '../../src/core/outside-change.ts'
import { loadInstance, putInstance, startContainer } from '../containers.ts'
import { removalOf, removeInstance } from '../removing.ts'
import { observe, vanished, type Context, type Handler } from '../steps.ts'
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
        return { ephemeral: instance.ephemeral, container: instance.container } satisfies Stopped
      },
      undo: async (context) => {
        await startContainer(context, (await loadInstance(context, context.input.instance)).container)
        return 'Started the instance again'
      },
    },
    {
      name: 'remove',
      when: (context) => stopped(context).ephemeral,
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.forward(putInstance(withPower(instance, 'stopped')))
        await removeInstance(context, context.input.instance)
      },
    },
  ],
  finish: async (context) => {
    const { member } = context.engine
    const action = context.input.force ? 'instance-stopped' : 'instance-shutdown'
    const { ephemeral, container } = stopped(context)
    if (ephemeral) {
      const changes = await removalOf(context, await loadInstance(context, context.input.instance))
      return { action, also: ['instance-deleted'], changes, observed: [vanished(member, container)] }
    }
    const [instance, detail] = await Promise.all([
      loadInstance(context, context.input.instance),
      context.engine.containers.inspect(container, context.signal),
    ])
    return {
      action,
      changes: putInstance(withPower(instance, 'stopped')),
      observed: [detail === undefined ? vanished(member, container) : observe(member, detail)],
    }
  },
}

/** What the step `stop` has found. */
interface Stopped {
  ephemeral: boolean
  container: string
}

const stopped = (context: Context<'instance.stop'>) => context.note('stop') as Stopped // the step's own note
