import type { NetworkRecord } from '../../src/contract/records.ts'
import { freeSubnet, gatewayOf, overlaps } from '../../src/core/addresses.ts'
import type { NetworkDetail } from '../../src/core/engine.ts'
import { conflict, isFailure } from '../../src/core/failure.ts'
import { bridgeSpec, placeOf, takenName, type Place } from '../bridges.ts'
import type { Context, Handler } from '../steps.ts'

type Creating = Context<'network.create'>

/** What the engine has of the network. */
interface Made {
  id: string
  subnet: string
  gateway: string
}

/** How often another free subnet is tried when the engine knows something that its list does not show. */
const TRIES = 8

/** A bridge network of the engine with a subnet of ours; most of its addresses are leased by us. */
export const networkCreate: Handler<'network.create'> = {
  steps: [
    {
      name: 'network',
      run: async (context): Promise<Made> => {
        const known = await context.engine.networks.list(context.signal)
        const made = known.find(({ own }) => own?.uuid === context.input.network.uuid)
        if (made !== undefined) return { id: made.id, subnet: made.subnet, gateway: made.gateway }
        return make(context, known)
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
    const made = context.note('network') as Made // the step's own note
    const record = withSubnet({ ...context.input.network, network: made.id }, made)
    return { changes: [{ change: 'put', noun: 'network', record }] }
  },
}

async function make(context: Creating, known: NetworkDetail[]): Promise<Made> {
  const { network, avoid } = context.input
  const place = placeFor(context, known)
  const taken = [...known.map(({ subnet }) => subnet), ...(avoid?.subnets ?? [])]
  for (let tries = 1; ; tries++) {
    const subnet = network.subnet === '' ? freeSubnet(taken) : refuseOverlap(network.subnet, known)
    const gateway = network.subnet === '' ? gatewayOf(subnet) : network.gateway
    try {
      const spec = bridgeSpec(context, withSubnet(network, { subnet, gateway }), place)
      return { id: await context.engine.networks.create(spec, context.signal), subnet, gateway }
    } catch (thrown) {
      // Routes of the engine's host are seen by the engine alone.
      if (network.subnet !== '' || !isFailure(thrown, 'conflict') || tries >= TRIES) throw thrown
      taken.push(subnet)
    }
  }
}

function placeFor(context: Creating, known: NetworkDetail[]): Place {
  const { network, elsewhere, avoid } = context.input
  const { name, uuid } = network
  const own = placeOf(name, { known, interfaces: avoid?.interfaces ?? [] })
  if (own !== undefined) return own
  if (elsewhere !== true) throw takenName(name)
  const isName = known.some((one) => one.name === name || one.bridge === name)
  const place = { name: isName ? `${name}-${uuid.slice(-6)}` : name, bridge: `wl${uuid.slice(-10)}` }
  context.warn(
    `The engine or its host already has a network or bridge named "${name}": there, ours is the network ` +
      `"${place.name}" on the bridge "${place.bridge}"`,
  )
  return place
}

function refuseOverlap(subnet: string, known: NetworkDetail[]): string {
  const other = known.find((one) => one.subnet !== '' && overlaps(subnet, one.subnet))
  if (other === undefined) return subnet
  throw conflict(`The subnet ${subnet} overlaps with ${other.subnet} of the engine's network "${other.name}"`)
}

function withSubnet(network: NetworkRecord, { subnet, gateway }: Pick<Made, 'subnet' | 'gateway'>): NetworkRecord {
  const config = { ...network.config, 'ipv4.address': `${gateway}/${subnet.split('/')[1] ?? ''}` }
  return { ...network, subnet, gateway, config }
}
