import { foreignRange } from '../../src/core/addresses.ts'
import type { Handler } from '../steps.ts'

/** A bridge network of the engine with a subnet of ours; most of its addresses are leased by us. */
export const networkCreate: Handler<'network.create'> = {
  steps: [
    {
      name: 'network',
      run: async (context) => {
        const { network } = context.input
        const { networks } = context.engine
        const labels = context.labels({
          role: 'network',
          uuid: network.uuid,
          project: network.project,
          origin: network,
        })
        const made = (await networks.list(context.signal)).find(({ own }) => own?.uuid === network.uuid)
        if (made !== undefined) return { id: made.id }
        const { name, subnet, gateway } = network
        const spec = { name, bridge: name, subnet, gateway, foreignRange: foreignRange(subnet), labels }
        return { id: await networks.create(spec, context.signal) }
      },
      undo: async (context) => {
        const made = (await context.engine.networks.list(context.signal)).find(
          ({ own }) => own?.uuid === context.input.network.uuid,
        )
        if (made === undefined) return undefined
        await context.engine.networks.remove(made.id, context.signal)
        return 'Removed the new network'
      },
    },
  ],
  finish: async (context) => {
    const { id } = context.note('network') as { id: string } // the step's own note
    return { changes: [{ change: 'put', noun: 'network', record: { ...context.input.network, network: id } }] }
  },
}
