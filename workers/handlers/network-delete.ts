import type { NetworkRecord } from '../../src/contract/records.ts'
import { effectiveDevices } from '../../src/core/expand.ts'
import { conflict, notFound } from '../../src/core/failure.ts'
import type { Context, Handler } from '../steps.ts'

/** Removes a bridge that nothing uses. The engine would let stopped containers lose it, so the leases decide. */
export const networkDelete: Handler<'network.delete'> = {
  steps: [
    {
      name: 'remove',
      run: async (context) => {
        const network = await load(context)
        const leases = await context.records.list('lease', network.uuid)
        if (leases.length > 0 || (await isInProfile(context, network)))
          throw conflict('The network is currently in use')
        const outcome = await context.engine.networks.remove(network.network, context.signal)
        if (outcome === 'in-use') throw conflict('The network is currently in use by containers made by others')
      },
    },
  ],
  finish: async (context) => {
    const { uuid, rev } = await load(context)
    return { changes: [{ change: 'remove', noun: 'network', uuid, rev }] }
  },
}

async function isInProfile(context: Context<'network.delete'>, { name }: NetworkRecord): Promise<boolean> {
  const profiles = await context.records.list('profile')
  return profiles.some(({ devices }) =>
    Object.values(effectiveDevices(devices)).some(
      (device) => device['type'] === 'nic' && (device['network'] || device['parent']) === name,
    ),
  )
}

async function load(context: Context<'network.delete'>): Promise<NetworkRecord> {
  const network = await context.records.get('network', context.input.network)
  if (network === undefined) throw notFound('Network not found')
  return network
}
