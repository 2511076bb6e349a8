import { containerOf, loadInstance, putInstance, startContainer } from '../containers.ts'
import { observe, type Handler } from '../steps.ts'

/** Starts the container; one that exits at once for lack of its program is a failure that says so. */
export const instanceStart: Handler<'instance.start'> = {
  steps: [
    {
      name: 'start',
      run: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await startContainer(context, instance.container)
      },
      undo: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await context.engine.containers.kill(instance.container, 'SIGKILL', context.signal)
        return 'Stopped the instance again'
      },
    },
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const detail = await containerOf(context, instance)
    const last_used_at = new Date(context.clock.now()).toISOString()
    const record = { ...instance, power: 'running' as const, last_used_at }
    return {
      changes: putInstance(record),
      observed: [observe(context.engine.member, detail)],
    }
  },
}
