import { withTold } from '../../src/core/outside-change.ts'
import { containerOf, loadInstance, putInstance } from '../containers.ts'
import { observe, type Handler } from '../steps.ts'

/** Pauses every process of the instance. */
export const instanceFreeze: Handler<'instance.freeze'> = {
  steps: [
    {
      name: 'pause',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.pause(instance.container, context.signal)
      },
      undo: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.unpause(instance.container, context.signal)
        return 'Unfroze the instance again'
      },
    },
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const detail = await containerOf(context, instance)
    return { changes: putInstance(withTold(instance, 'frozen')), observed: [observe(context.engine.member, detail)] }
  },
}
