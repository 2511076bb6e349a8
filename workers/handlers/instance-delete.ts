import { loadInstance } from '../containers.ts'
import { removalOf, removeInstance } from '../removing.ts'
import { vanished, type Handler } from '../steps.ts'

/** Deletes a stopped instance with its volumes and snapshots. It only goes forward. */
export const instanceDelete: Handler<'instance.delete'> = {
  steps: [{ name: 'remove', run: async (context) => removeInstance(context, context.input.instance) }],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const changes = await removalOf(context, instance)
    return { changes, observed: [vanished(context.engine.member, instance.container)] }
  },
}
