/** Addresses of instances. The engine reserves none while a container is stopped, so they are ours to give (engine.md, 2). */
import type { Devices } from '../contract/common.ts'
import type { InstanceRecord, LeaseRecord, NetworkRecord } from '../contract/records.ts'
import { addressesOf, checkAddress } from '../core/addresses.ts'
import { effectiveDevices } from '../core/expand.ts'
import { badRequest, conflict } from '../core/failure.ts'
import type { BusyClaim, Clock, RecordChange, RecordReader } from '../core/ports.ts'

export type Leases = ReturnType<typeof createLeases>

/** How long an address that was picked is not picked again by this process while its operation is on the way; ms. */
const PICKED = 5_000

interface Wish {
  instance: InstanceRecord
  device: string
  network: NetworkRecord
  /** '' or absent: any that is free. */
  preferred: string | undefined
}

export function createLeases(deps: { records: RecordReader; clock: Clock }) {
  const picked = new Map<string, number>()
  /** The address given last, by network: the next one is looked for behind it, so that looking costs the same however many there are. */
  const latest = new Map<string, string>()

  /**
   * One lease for each nic of the instance that is on a network of ours and has none yet, or asks for another address
   * than it has. None free is a conflict.
   */
  async function take(instance: InstanceRecord, expanded: Devices): Promise<LeaseRecord[]> {
    const [networks, owned] = await Promise.all([
      deps.records.list('network'),
      deps.records.owned('lease', instance.uuid),
    ])
    const leases: LeaseRecord[] = []
    for (const [device, properties] of Object.entries(effectiveDevices(expanded))) {
      if (properties['type'] !== 'nic') continue
      const network = networkOf(networks, properties, device)
      const preferred = properties['ipv4.address']
      const own = owned.filter((lease) => lease.network === network.uuid && lease.device === device)
      if (preferred ? own.some(({ name }) => name === preferred) : own.length > 0) continue
      leases.push(await pick({ instance, device, network, preferred }))
    }
    return leases
  }

  async function pick({ instance, device, network, preferred }: Wish): Promise<LeaseRecord> {
    const before = deps.clock.now() - PICKED
    // In the order in which they were picked: behind the first that still counts all do.
    for (const [key, at] of picked) {
      if (at >= before) break
      picked.delete(key)
    }
    return {
      v: 1,
      rev: 0,
      uuid: deps.clock.uuid(),
      project: instance.project,
      name: preferred ? await wanted(network, preferred) : await anyFree(network),
      network: network.uuid,
      instance: instance.uuid,
      device,
    }
  }

  async function wanted(network: NetworkRecord, address: string): Promise<string> {
    checkAddress(network.subnet, address)
    if (await isTaken(network, address)) throw conflict(`IP address "${address}" already defined on another NIC`)
    return address
  }

  async function anyFree(network: NetworkRecord): Promise<string> {
    for (const address of addressesOf(network.subnet, latest.get(network.uuid))) {
      if (await isTaken(network, address)) continue
      latest.set(network.uuid, address)
      return address
    }
    throw conflict(`No free IPv4 address is left in ${network.subnet}`)
  }

  /** Marked before it is looked for: two requests of this process never get the same one. */
  async function isTaken(network: NetworkRecord, address: string): Promise<boolean> {
    const key = `${network.uuid}/${address}`
    if (picked.has(key)) return true
    picked.set(key, deps.clock.now())
    const isHeld = (await deps.records.find('lease', network.uuid, address)) !== undefined
    if (isHeld) picked.delete(key)
    return isHeld
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
