import { withPower } from '../../src/core/outside-change.ts'
import { containerOf, loadInstance, putInstance } from '../containers.ts'
import { observe, type Handler } from '../steps.ts'

/** Lets the instance's processes run again. */
export const instanceUnfreeze: Handler<'instance.unfreeze'> = {
  steps: [
    {
      name: 'unpause',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.unpause(instance.container, context.signal)
      },
      undo: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.pause(instance.container, context.signal)
        return 'Froze the instance again'
      },
    },
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const detail = await containerOf(context, instance)
    return { changes: putInstance(withPower(instance, 'running')), observed: [observe(context.engine.member, detail)] }
  },
}
