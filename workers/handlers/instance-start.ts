import { withPower } from '../../src/core/outside-change.ts'
import { loadInstance, putInstance, startContainer, seenContainer } from '../containers.ts'
import { prepared } from '../../src/core/guest.ts'
import { prepareGuest } from '../guest.ts'
import { pendingSteps } from '../pending.ts'
import { observe, type Handler } from '../steps.ts'

const pending = pendingSteps<'instance.start'>()

/** Starts the container; one that exits at once for lack of its program is a failure that says so. */
export const instanceStart: Handler<'instance.start'> = {
  steps: [
    ...pending.before,
    {
      name: 'start',
      run: async (context) => {
        const container = pending.container(context)
        await prepareGuest(context, await loadInstance(context, context.input.instance), container)
        await startContainer(context, container)
      },
      undo: async (context) => {
        await context.engine.containers.kill(pending.container(context), 'SIGKILL', context.signal)
        return 'Stopped the instance again'
      },
    },
    ...pending.after,
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, context.input.instance)
    const detail = await seenContainer(context, instance)
    const last_used_at = new Date(context.clock.now()).toISOString()
    const record = { ...withPower(prepared(instance), 'running'), last_used_at }
    return {
      changes: [...putInstance(record), ...(await pending.freed(context, instance))],
      observed: [observe(context.engine.member, detail), ...pending.gone(context)],
    }
  },
}
