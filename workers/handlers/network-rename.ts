import type { NetworkRecord } from '../../src/contract/records.ts'
import type { NetworkDetail } from '../../src/core/engine.ts'
import { conflict, isFailure } from '../../src/core/failure.ts'
import { bridgeSpec, loadNetwork, placeOf, refuseUsed, takenName, type Place } from '../bridges.ts'
import { renamed, type Context, type Handler } from '../steps.ts'

type Renaming = Context<'network.rename'>

/** What the network was called, and what the engine had of it; undefined where somebody has removed that. */
interface Before {
  name: string
  old: (Place & { id: string }) | undefined
}

const before = (context: Renaming) => context.note('look') as Before // the step's own note
const load = (context: Renaming) => loadNetwork(context, context.input.network)

/**
 * A network that nothing uses, made anew under its new name. Two bridges cannot have one subnet, so the old one goes
 * first, and before it the point of no return: where the engine cannot follow, the network has its new name here alone.
 */
export const networkRename: Handler<'network.rename'> = {
  steps: [
    {
      name: 'look',
      run: async (context): Promise<Before> => {
        const network = await load(context)
        await refuseUsed(context, network)
        const known = await context.engine.networks.list(context.signal)
        const old = known.find(({ id }) => id === network.network)
        const others = known.filter((one) => one !== old)
        const { name, avoid } = context.input
        if (placeOf(name, { known: others, interfaces: avoid.interfaces }) === undefined) throw takenName(name)
        await refuseForeign(context, old)
        return { name: network.name, old: old && { id: old.id, name: old.name, bridge: old.bridge } }
      },
    },
    {
      name: 'record',
      writesFirst: true,
      run: async (context) => {
        const record = { ...(await load(context)), name: context.input.name }
        await context.forward([{ change: 'put', noun: 'network', record }])
      },
    },
    {
      name: 'remove',
      run: async (context) => {
        const { old } = before(context)
        if (old === undefined) return
        const outcome = await context.engine.networks.remove(old.id, context.signal)
        if (outcome === 'in-use')
          throw conflict(`Containers made by others use the network meanwhile: on the engine it is still "${old.name}"`)
      },
    },
    { name: 'network', run: makeAnew },
  ],
  finish: async (context) => {
    const record = await load(context)
    const network = await idOf(context, record)
    return renamed(context, { noun: 'network', record: { ...record, network } }, before(context).name)
  },
}

async function refuseForeign(context: Renaming, old: NetworkDetail | undefined): Promise<void> {
  if (old === undefined) return
  const detail = await context.engine.networks.inspect(old.id, context.signal)
  if ((detail?.containers.length ?? 0) > 0)
    throw conflict('The network is currently in use by containers made by others')
}

/** Under its new name; where that cannot be, as it was. */
async function makeAnew(context: Renaming): Promise<void> {
  const network = await load(context)
  if ((await ownOf(context, network)) !== undefined) return
  const { name } = context.input
  const { old } = before(context)
  const make = (place: Place) => context.engine.networks.create(bridgeSpec(context, network, place), context.signal)
  try {
    await make({ name, bridge: name })
  } catch (thrown) {
    if (old === undefined || !isFailure(thrown, 'conflict', 'bad-request')) throw thrown
    await make({ name: old.name, bridge: old.bridge })
    context.warn(`On the engine the network is still "${old.name}": ${thrown.message}`)
  }
}

async function ownOf(context: Renaming, { uuid }: NetworkRecord): Promise<NetworkDetail | undefined> {
  return (await context.engine.networks.list(context.signal)).find(({ own }) => own?.uuid === uuid)
}

async function idOf(context: Renaming, network: NetworkRecord): Promise<string> {
  return (await ownOf(context, network))?.id ?? network.network
}
