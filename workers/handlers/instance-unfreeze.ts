import { containerOf, loadInstance } from '../containers.ts'
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
    const detail = await containerOf(context, await loadInstance(context, context.input.instance))
    return { changes: [], observed: [observe(context.engine.member, detail)] }
  },
}
