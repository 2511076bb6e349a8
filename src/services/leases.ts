/** Addresses of instances. The engine reserves none while a container is stopped, so they are ours to give (engine.md, 2). */
import type { Devices } from '../contract/common.ts'
import type { InstanceRecord, LeaseRecord, NetworkRecord } from '../contract/records.ts'
import { pickAddress } from '../core/addresses.ts'
import { effectiveDevices } from '../core/expand.ts'
import { badRequest } from '../core/failure.ts'
import type { BusyClaim, Clock, RecordChange, RecordReader } from '../core/ports.ts'

export type Leases = ReturnType<typeof createLeases>

/** How long an address that was picked is not picked again by this process while its operation is on the way; ms. */
const PICKED = 5_000

interface Wish {
  instance: InstanceRecord
  device: string
  network: NetworkRecord
  /** Leases of that network. */
  known: LeaseRecord[]
  preferred: string | undefined
}

export function createLeases(deps: { records: RecordReader; clock: Clock }) {
  const picked = new Map<string, number>()

  /**
   * One lease for each nic of the instance that is on a network of ours and has none yet, or asks for another address
   * than it has. None free is a conflict.
   */
  async function take(instance: InstanceRecord, expanded: Devices): Promise<LeaseRecord[]> {
    const networks = await deps.records.list('network')
    const leases: LeaseRecord[] = []
    for (const [device, properties] of Object.entries(effectiveDevices(expanded))) {
      if (properties['type'] !== 'nic') continue
      const network = networkOf(networks, properties, device)
      const known = await deps.records.list('lease', network.uuid)
      const preferred = properties['ipv4.address']
      const own = known.filter((lease) => lease.instance === instance.uuid && lease.device === device)
      if (preferred ? own.some(({ name }) => name === preferred) : own.length > 0) continue
      leases.push(pick({ instance, device, network, known, preferred }))
    }
    return leases
  }

  function pick({ instance, device, network, known, preferred }: Wish): LeaseRecord {
    const now = deps.clock.now()
    for (const [key, at] of picked) if (at < now - PICKED) picked.delete(key)
    const taken = new Set([network.gateway, ...known.map(({ name }) => name)])
    for (const key of picked.keys())
      if (key.startsWith(`${network.uuid}/`)) taken.add(key.slice(network.uuid.length + 1))
    const address = pickAddress(network.subnet, taken, preferred)
    picked.set(`${network.uuid}/${address}`, now)
    return {
      v: 1,
      rev: 0,
      uuid: deps.clock.uuid(),
      project: instance.project,
      name: address,
      network: network.uuid,
      instance: instance.uuid,
      device,
    }
  }

  /** The leases of devices that the instance has no more. */
  async function unused(instance: InstanceRecord, expanded: Devices): Promise<RecordChange[]> {
    const devices = effectiveDevices(expanded)
    const own = await deps.records.owned('lease', instance.uuid)
    return own
      .filter((lease) => devices[lease.device]?.['type'] !== 'nic')
      .map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'lease', uuid, rev }))
  }

  return { take, unused }
}

/** A network whose addresses are being given must not be deleted meanwhile. */
export function usesOf(leases: LeaseRecord[], action: string): BusyClaim[] {
  const networks = new Set(leases.map(({ network }) => network))
  return [...networks].map((network) => ({ key: `network:${network}`, mode: 'use', action }))
}

function networkOf(networks: NetworkRecord[], nic: Record<string, string>, device: string): NetworkRecord {
  const name = nic['network'] ?? nic['parent'] ?? ''
  const network = networks.find((candidate) => candidate.name === name)
  if (network === undefined)
    throw badRequest(
      `Device validation failed for "${device}": Network "${name}" not found; name a network of this server`,
    )
  return network
}
