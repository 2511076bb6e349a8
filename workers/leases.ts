/** Addresses of an instance whose devices have changed: which it needs no longer, which MACs go with the others. */
import type { Config } from '../src/contract/common.ts'
import type { InstanceRecord, LeaseRecord } from '../src/contract/records.ts'
import { macOf } from '../src/core/addresses.ts'
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

/** The MACs of its addresses where clients look for them, for NICs whose own the config does not tell. */
export async function macsOf(context: Context<Kind>, { uuid, config }: InstanceRecord): Promise<Config> {
  const networks = await context.records.list('network')
  const leases = await Promise.all(networks.map((network) => context.records.list('lease', network.uuid)))
  const own = leases.flat().filter(({ instance }) => instance === uuid)
  const macs = own.map(({ device, name }) => [`volatile.${device}.hwaddr`, macOf(name)] as const)
  return Object.fromEntries(macs.filter(([key]) => config[key] === undefined))
}

/** Addresses of NICs that are gone, or that are on another network now. */
async function unusedLeases(context: Context<Kind>, instance: InstanceRecord): Promise<LeaseRecord[]> {
  const [profiles, networks] = await Promise.all([loadProfiles(context, instance), context.records.list('network')])
  const devices = effectiveDevices(expandDevices(profiles, instance.devices))
  const held = await Promise.all(
    networks.map(async ({ uuid, name }) => {
      const isUsed = ({ device }: LeaseRecord) =>
        devices[device]?.['type'] === 'nic' && (devices[device]['network'] || devices[device]['parent']) === name
      const leases = await context.records.list('lease', uuid)
      return leases.filter((lease) => lease.instance === instance.uuid && !isUsed(lease))
    }),
  )
  return held.flat()
}

/** A NIC's MAC goes with its address: whoever gets the address next has the same one. */
function withoutLeases(now: InstanceRecord, leases: LeaseRecord[]): RecordChange[] {
  const gone = new Set(leases.map(({ device }) => `volatile.${device}.hwaddr`))
  const config = Object.fromEntries(Object.entries(now.config).filter(([key]) => !gone.has(key)))
  return [
    { change: 'put', noun: 'instance', record: { ...now, config } },
    ...leases.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'lease', uuid, rev })),
  ]
}
