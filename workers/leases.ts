/** Addresses of an instance whose devices have changed: which it needs no longer, which MACs go with the others. */
import type { Config } from '../src/contract/common.ts'
import type { InstanceRecord, LeaseRecord } from '../src/contract/records.ts'
import { isDerivedMac, macOf } from '../src/core/addresses.ts'
import { effectiveDevices, expandDevices } from '../src/core/expand.ts'
import type { RecordChange } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { loadProfiles } from './containers.ts'
import type { Context } from './steps.ts'

/** The changes that give them back; none where every address is used. */
export async function freeUnused(context: Context<Kind>, now: InstanceRecord): Promise<RecordChange[]> {
  const leases = await unusedLeases(context, now)
  return leases.length === 0 ? [] : withoutLeases(now, leases)
}

/** The same where nothing else of the instance changes: addresses in whose place its NICs have others now. */
export async function freeReplaced(context: Context<Kind>, now: InstanceRecord): Promise<RecordChange[]> {
  return (await unusedLeases(context, now)).map(removal)
}

/** The MACs of its addresses where clients look for them, for NICs whose own the config does not tell. */
export async function macsOf(context: Context<Kind>, { uuid, config }: InstanceRecord): Promise<Config> {
  const own = await context.records.owned('lease', uuid)
  const macs = own.map(({ device, name }) => [`volatile.${device}.hwaddr`, macOf(name)] as const)
  return Object.fromEntries(macs.filter(([key]) => config[key] === undefined))
}

/** From what follows which addresses are used. */
function readingsForUse(context: Context<Kind>, instance: InstanceRecord) {
  const { records } = context
  return [loadProfiles(context, instance), records.list('network'), records.owned('lease', instance.uuid)] as const
}

/** Asks for all that `freeUnused` will need while the instance itself is read. */
export function foreseeUse(context: Context<Kind>, instance: InstanceRecord): void {
  // What fails is met where it is needed.
  for (const reading of readingsForUse(context, instance)) reading.catch(() => undefined)
}

/** Addresses of NICs that are gone, that are on another network now, or that have another address. */
async function unusedLeases(context: Context<Kind>, instance: InstanceRecord): Promise<LeaseRecord[]> {
  const [profiles, networks, own] = await Promise.all(readingsForUse(context, instance))
  const devices = effectiveDevices(expandDevices(profiles, instance.devices))
  const names = new Map(networks.map(({ uuid, name }) => [uuid, name]))
  const isThere = ({ device, network }: LeaseRecord) =>
    devices[device]?.['type'] === 'nic' &&
    (devices[device]['network'] || devices[device]['parent']) === names.get(network)
  const isReplaced = ({ device, network, name: address }: LeaseRecord) => {
    const wanted = devices[device]?.['ipv4.address']
    const has = (other: LeaseRecord) => other.network === network && other.device === device && other.name === wanted
    return address !== wanted && own.some(has)
  }
  return own.filter((lease) => !isThere(lease) || isReplaced(lease))
}

/** A NIC's MAC goes with its address: whoever gets the address next has the same one. */
function withoutLeases(now: InstanceRecord, leases: LeaseRecord[]): RecordChange[] {
  const gone = new Map(leases.map(({ device, name }) => [`volatile.${device}.hwaddr`, macOf(name)]))
  // One that has got another address has its MAC already.
  const isGone = ([key, mac]: [string, string]) => gone.has(key) && (!isDerivedMac(mac) || gone.get(key) === mac)
  const config = Object.fromEntries(Object.entries(now.config).filter((entry) => !isGone(entry)))
  return [{ change: 'put', noun: 'instance', record: { ...now, config } }, ...leases.map(removal)]
}

function removal({ uuid, rev }: LeaseRecord): RecordChange {
  return { change: 'remove', noun: 'lease', uuid, rev }
}
