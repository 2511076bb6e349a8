/** Managed networks: bridges of the engine whose addresses we lease. They belong to the project default and serve all. */
import type { NetworkLease, NetworkPatch, NetworkPut, NetworksPost, NetworkState } from '../contract/network.ts'
import type { InstanceRecord, LeaseRecord, NetworkRecord } from '../contract/records.ts'
import { macOf, overlaps, parseNetworkAddress } from '../core/addresses.ts'
import type { Engine } from '../core/engine.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { withoutEmpty } from '../core/expand.ts'
import { badRequest, conflict, notFound } from '../core/failure.ts'
import { parseNetworkName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { mayEnter, requireProject, requireRole, type Caller } from './caller.ts'
import type { HostBridge } from './host-bridges.ts'
import type { HostNetworks } from './host-networks.ts'
import { checkNetworkConfig, FIXED } from './network-config.ts'
import { networkUrl } from './noun-urls.ts'
import type { Operations, Submission } from './operations.ts'
import { submitInRoom, type ProjectRoom } from './project-room.ts'
import { urlsFor, usesNetwork, type UsedBy } from './used-by.ts'
import type { Write } from './writes.ts'

export interface NetworksDeps {
  records: RecordReader
  write: Write
  operations: Operations
  usedBy: UsedBy
  room: ProjectRoom
  engines: ReadonlyMap<string, Engine>
  hostNetworks(): Promise<HostNetworks>
  /** Of a network by its name and its subnet. */
  hostBridge(name: string, subnet: string): Promise<HostBridge | undefined>
  clock: Clock
  /** The member new networks are made on. */
  member: string
}

export interface NetworkView {
  record: NetworkRecord
  usedBy: string[]
}

export type Networks = ReturnType<typeof createNetworks>

/** Whose project networks are in. */
const HOME = 'default'
/** How long a request waits for the engine to tell what it has, milliseconds; the worker looks again. */
const PATIENCE = 2_000
/** What an engine on another machine does not tell. */
const UNKNOWN_BRIDGE: HostBridge = {
  counters: { bytes_received: 0, bytes_sent: 0, packets_received: 0, packets_sent: 0 },
  hwaddr: '',
  mtu: 1500,
  bridge: { id: '', stp: false, forward_delay: 0, vlan_default: 0, vlan_filtering: false, upper_devices: [] },
}

export function createNetworks(deps: NetworksDeps) {
  const { records, write, operations, usedBy } = deps

  async function list(caller: Caller): Promise<NetworkView[]> {
    const [networks, users] = await Promise.all([records.list('network'), usedBy.users()])
    return networks.map((record) => ({
      record,
      usedBy: urlsFor(
        caller,
        users.filter((user) => usesNetwork(user, record.name)),
      ),
    }))
  }

  async function get(caller: Caller, name: string): Promise<NetworkView> {
    const record = await load(name)
    const users = await usedBy.users()
    return {
      record,
      usedBy: urlsFor(
        caller,
        users.filter((user) => usesNetwork(user, name)),
      ),
    }
  }

  /** Makes the bridge and waits for it, as LXD does. Without an address it gets a free private /20. */
  async function create(caller: Caller, body: NetworksPost): Promise<void> {
    requireHome(caller)
    const { type, name: given, config = {}, description } = body
    if ((type ?? '') !== '' && type !== 'bridge')
      throw badRequest(`Networks of type "${type}" are not possible on Docker Engine; only "bridge" is`)
    const name = parseNetworkName(given ?? '')
    checkNetworkConfig(name, config ?? {})
    if ((await records.find('network', HOME, name)) !== undefined) throw conflict('The network already exists')
    const creation = await creationOf({ name, description: description ?? '', config: config ?? {} })
    const { network, avoid } = creation.input
    await refuseOverlap(network)
    if (avoid?.interfaces.includes(name) === true) throw conflict(`Network interface "${name}" already exists`)
    const make = async () => ({ ...creation, changes: await deps.room.takeForNetwork(HOME) })
    await operations.finish(await submitInRoom(operations, caller, make))
  }

  /** The operation that makes a network. `elsewhere`: under another name on the engine where its own is taken there. */
  async function creationOf(
    content: Pick<NetworkRecord, 'name' | 'description' | 'config'>,
    { elsewhere = false } = {},
  ): Promise<Submission<'network.create'>> {
    const network = makeNetwork({ uuid: deps.clock.uuid(), member: deps.member, ...content })
    return {
      kind: 'network.create',
      input: { network, elsewhere, avoid: await deps.hostNetworks() },
      ...about(network),
      names: [{ noun: 'network', scope: HOME, name: network.name }],
      taken: 'The network already exists',
      busy: [{ key: `network:${network.uuid}`, mode: 'own', action: 'create' }],
    }
  }

  /** What can be seen now is refused now; the worker checks again when it makes the bridge. */
  async function refuseOverlap({ member, subnet }: NetworkRecord): Promise<void> {
    if (subnet === '') return
    const known = await deps.engines
      .get(member)
      ?.networks.list(AbortSignal.timeout(PATIENCE))
      .catch(() => [])
    const other = known?.find((network) => network.subnet !== '' && overlaps(subnet, network.subnet))
    if (other !== undefined)
      throw conflict(`The subnet ${subnet} overlaps with ${other.subnet} of the engine's network "${other.name}"`)
  }

  async function update(caller: Caller, name: string, body: NetworkPut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, name, ifMatch)
    // LXD's clients send back what they read; one that leaves out what is fixed does not ask for another bridge.
    const fixed = FIXED.flatMap((key) => (record.config[key] === undefined ? [] : [[key, record.config[key]]]))
    await change(caller, record, body.description ?? '', { ...Object.fromEntries(fixed), ...body.config })
  }

  /** Merged into what is there. */
  async function patch(caller: Caller, name: string, body: NetworkPatch, ifMatch?: string): Promise<void> {
    const record = await writable(caller, name, ifMatch)
    await change(caller, record, body.description ?? record.description, { ...record.config, ...body.config })
  }

  async function change(caller: Caller, record: NetworkRecord, description: string, config: Record<string, string>) {
    checkNetworkConfig(record.name, config)
    const fixed = FIXED.find((key) => (config[key] ?? '') !== (record.config[key] ?? ''))
    if (fixed !== undefined)
      throw badRequest(`"${fixed}" of a network cannot be changed on Docker Engine; make another network`)
    await write(caller, {
      changes: [{ change: 'put', noun: 'network', record: { ...record, description, config: withoutEmpty(config) } }],
      event: { action: 'network-updated', source: networkUrl(record.name), project: HOME },
      unlessBusy: [`network:${record.uuid}`],
    })
  }

  /** Waits until the bridge has been made anew, as LXD does. Like there, only of a network that nothing uses. */
  async function rename(caller: Caller, name: string, newName: string): Promise<void> {
    requireHome(caller)
    const record = await toChange(name)
    parseNetworkName(newName)
    if ((await records.find('network', HOME, newName)) !== undefined)
      throw conflict(`Network "${newName}" already exists`)
    await refuseUsed(record)
    const avoid = await deps.hostNetworks()
    if (avoid.interfaces.includes(newName)) throw conflict(`Network interface "${newName}" already exists`)
    await operations.perform(caller, {
      kind: 'network.rename',
      input: { network: record.uuid, name: newName, avoid },
      ...about(record),
      names: [{ noun: 'network', scope: HOME, name: newName }],
      taken: 'The network already exists',
      busy: [{ key: `network:${record.uuid}`, mode: 'own', action: 'rename' }],
    })
  }

  /** Waits until the bridge is gone, as LXD does. */
  async function remove(caller: Caller, name: string): Promise<void> {
    requireHome(caller)
    const record = await toChange(name)
    await refuseUsed(record)
    await operations.perform(caller, {
      kind: 'network.delete',
      input: { network: record.uuid },
      ...about(record),
      busy: [{ key: `network:${record.uuid}`, mode: 'own', action: 'delete' }],
    })
  }

  async function refuseUsed({ uuid, name }: NetworkRecord): Promise<void> {
    const [users, coming, held] = await Promise.all([usedBy.users(), usedBy.coming(), records.list('lease', uuid)])
    if (held.length > 0 || [...users, ...coming].some((user) => usesNetwork(user, name)))
      throw badRequest('The network is currently in use')
  }

  /** The engine says whether the bridge is there, this machine the rest; of an engine elsewhere that stays blank. */
  async function state(_caller: Caller, name: string): Promise<NetworkState> {
    const { member, network, gateway, subnet } = await load(name)
    const [detail, bridge] = await Promise.all([
      deps.engines.get(member)?.networks.inspect(network, AbortSignal.timeout(PATIENCE)),
      deps.hostBridge(name, subnet),
    ])
    return {
      addresses: [{ family: 'inet', address: gateway, netmask: subnet.split('/')[1] ?? '', scope: 'global' }],
      ...(bridge ?? UNKNOWN_BRIDGE),
      state: detail === undefined ? 'down' : 'up',
      type: 'broadcast',
      bond: null,
      vlan: null,
      ovn: null,
    }
  }

  /** The gateway, then the addresses of the project's instances, running or not. */
  async function leases(caller: Caller, name: string, project: string): Promise<NetworkLease[]> {
    requireProject(caller, project)
    const network = await load(name)
    const [held, instances] = await Promise.all([
      records.list('lease', network.uuid),
      records.list('instance', project),
    ])
    const byUuid = new Map(instances.map((instance) => [instance.uuid, instance]))
    const gateway: NetworkLease = {
      hostname: `${name}.gw`,
      hwaddr: '',
      address: network.gateway,
      type: 'gateway',
      location: '',
    }
    return [
      gateway,
      ...held.flatMap((lease) => {
        const instance = byUuid.get(lease.instance)
        return instance === undefined ? [] : [toLease(lease, instance)]
      }),
    ]
  }

  async function load(name: string, missing = 'Network not found'): Promise<NetworkRecord> {
    const record = await records.find('network', HOME, name)
    if (record === undefined) throw notFound(missing)
    return record
  }

  /** For those who mean to change it: LXD tells them in other words that there is none. */
  const toChange = (name: string) => load(name, 'Failed loading network: Network not found')

  async function writable(caller: Caller, name: string, ifMatch: string | undefined): Promise<NetworkRecord> {
    requireHome(caller)
    const record = await toChange(name)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    return record
  }

  return { list, get, create, creationOf, update, patch, rename, remove, state, leases }
}

/** A bridge on the host concerns everyone: only an admin who may enter the project of networks changes it. */
function requireHome(caller: Caller): void {
  requireRole(caller, 'admin')
  if (!mayEnter(caller, HOME)) throw notFound('Project not found')
}

/** A network before it is made; subnet and gateway are empty where the worker chooses them. */
function makeNetwork(
  content: Pick<NetworkRecord, 'uuid' | 'name' | 'member' | 'description' | 'config'>,
): NetworkRecord {
  const address = content.config['ipv4.address'] ?? ''
  const isFree = address === '' || address === 'auto'
  const { subnet, gateway } = isFree ? { subnet: '', gateway: '' } : parseNetworkAddress(address)
  const nat = isFree ? { 'ipv4.nat': 'true' } : {}
  const config = { 'ipv6.address': 'none', ...nat, ...withoutEmpty(content.config) }
  return { v: 1, rev: 0, project: HOME, network: '', subnet, gateway, ...content, config }
}

function about({ uuid, name, member }: NetworkRecord) {
  return { project: HOME, member, entity: { id: uuid, name, url: networkUrl(name) }, resources: null }
}

function toLease({ name, device }: LeaseRecord, instance: InstanceRecord): NetworkLease {
  const own = instance.devices[device]
  return {
    hostname: instance.name,
    hwaddr: own?.['hwaddr'] || instance.config[`volatile.${device}.hwaddr`] || macOf(name),
    address: name,
    type: own?.['ipv4.address'] ? 'static' : 'dynamic',
    location: 'none',
  }
}
