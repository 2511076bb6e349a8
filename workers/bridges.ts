/** What the handlers of networks share: where a network goes on its engine, what it is made with, and who uses it. */
import type { NetworkRecord } from '../src/contract/records.ts'
import { foreignRange } from '../src/core/addresses.ts'
import { isTrue } from '../src/core/config-values.ts'
import type { NetworkDetail, NetworkSpec } from '../src/core/engine.ts'
import { effectiveDevices } from '../src/core/expand.ts'
import { conflict, notFound } from '../src/core/failure.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { Context } from './steps.ts'

/** The name on the engine and that of the bridge. */
export interface Place {
  name: string
  bridge: string
}

/** What an engine has, and the interfaces of its host. */
export interface Taken {
  known: NetworkDetail[]
  interfaces: readonly string[]
}

/** Both as the network is called; undefined where either is taken: another one's bridge would lose its address. */
export function placeOf(name: string, { known, interfaces }: Taken): Place | undefined {
  const isTaken = known.some((one) => one.name === name || one.bridge === name) || interfaces.includes(name)
  return isTaken ? undefined : { name, bridge: name }
}

export function takenName(name: string): Error {
  return conflict(
    `The engine or its host already has a network or bridge named "${name}", which is not ours; choose another name`,
  )
}

/** A network that has its subnet, as the engine is to make it. */
export function bridgeSpec(context: Context<Kind>, network: NetworkRecord, place: Place): NetworkSpec {
  const { uuid, project, subnet, gateway, config } = network
  const labels = context.labels({ role: 'network', uuid, project, origin: network })
  return { ...place, subnet, gateway, foreignRange: foreignRange(subnet), nat: isTrue(config['ipv4.nat']), labels }
}

export async function loadNetwork(context: Context<Kind>, uuid: string): Promise<NetworkRecord> {
  const network = await context.records.get('network', uuid)
  if (network === undefined) throw notFound('Network not found')
  return network
}

/** The engine would let stopped containers lose it, so the leases decide, and the profiles that name it. */
export async function refuseUsed(context: Context<Kind>, { uuid, name }: NetworkRecord): Promise<void> {
  const [leases, profiles] = await Promise.all([context.records.list('lease', uuid), context.records.list('profile')])
  const isNamed = profiles.some(({ devices }) =>
    Object.values(effectiveDevices(devices)).some(
      (device) => device['type'] === 'nic' && (device['network'] || device['parent']) === name,
    ),
  )
  if (leases.length > 0 || isNamed) throw conflict('The network is currently in use')
}
