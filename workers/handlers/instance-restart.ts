import { withPower } from '../../src/core/outside-change.ts'
import { loadInstance, startContainer, seenContainer } from '../containers.ts'
import { prepared } from '../../src/core/guest.ts'
import { prepareGuest } from '../guest.ts'
import { pendingSteps } from '../pending.ts'
import { observe, type Handler } from '../steps.ts'
import { stopContainer } from '../stopping.ts'

const pending = pendingSteps<'instance.restart'>()

/** Stops and starts. A cancel after the stop starts it again, so the instance never stays down. */
export const instanceRestart: Handler<'instance.restart'> = {
  steps: [
    {
      name: 'stop',
      run: async (context) =>
        stopContainer(context, await loadInstance(context, context.input.instance), context.input),
      undo: async (context) => {
        const instance = await loadInstance(context, context.input.instance)
        await startContainer(context, instance.container)
        return 'Started the instance again'
      },
    },
    ...pending.before,
    {
      name: 'start',
      run: async (context) => {
        const container = pending.container(context)
        await prepareGuest(context, await loadInstance(context, context.input.instance), container)
        await startContainer(context, container)
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
      changes: [{ change: 'put', noun: 'instance', record }, ...(await pending.freed(context, instance))],
      observed: [observe(context.engine.member, detail), ...pending.gone(context)],
    }
  },
}
