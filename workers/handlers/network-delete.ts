import { conflict } from '../../src/core/failure.ts'
import { loadNetwork, refuseUsed } from '../bridges.ts'
import type { Handler } from '../steps.ts'

/** Removes a bridge that nothing uses. */
export const networkDelete: Handler<'network.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const network = await loadNetwork(context, context.input.network)
        await refuseUsed(context, network)
        const outcome = await context.engine.networks.remove(network.network, context.signal)
        if (outcome === 'in-use') throw conflict('The network is currently in use by containers made by others')
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev } = await loadNetwork(context, context.input.network)
    return { changes: [{ change: 'remove', noun: 'network', uuid, rev }] }
  },
}
