/** What this machine tells of a bridge that an engine here has made. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NetworkState } from '../contract/network.ts'
import { parseRoutes } from './host-networks.ts'

export type HostBridge = Pick<NetworkState, 'hwaddr' | 'mtu' | 'counters' | 'bridge'>

/**
 * Undefined where this machine has no bridge of that name with that subnet (in CIDR form): the engine is elsewhere, or
 * has a network of its own. `root` stands for `/`.
 */
export async function readHostBridge(name: string, subnet: string, root = '/'): Promise<HostBridge | undefined> {
  const routes = parseRoutes(await readFile(join(root, 'proc/net/route'), 'utf8').catch(() => ''))
  if (!routes.some((route) => route.interface === name && route.subnet === subnet)) return undefined
  const folder = join(root, 'sys/class/net', name)
  const text = async (file: string) => (await readFile(join(folder, file), 'utf8').catch(() => '')).trim()
  const number = async (file: string) => Number(await text(file)) || 0
  const [hwaddr, mtu, id, ports] = await Promise.all([
    text('address'),
    number('mtu'),
    text('bridge/bridge_id'),
    readdir(join(folder, 'brif')).catch(() => []),
  ])
  if (id === '') return undefined
  const [bytes_received, bytes_sent, packets_received, packets_sent] = await Promise.all([
    number('statistics/rx_bytes'),
    number('statistics/tx_bytes'),
    number('statistics/rx_packets'),
    number('statistics/tx_packets'),
  ])
  const [stp, forward_delay, vlan_default, vlan_filtering] = await Promise.all([
    number('bridge/stp_state'),
    number('bridge/forward_delay'),
    number('bridge/default_pvid'),
    number('bridge/vlan_filtering'),
  ])
  return {
    hwaddr,
    mtu,
    counters: { bytes_received, bytes_sent, packets_received, packets_sent },
    bridge: {
      id,
      stp: stp !== 0,
      forward_delay,
      vlan_default,
      vlan_filtering: vlan_filtering !== 0,
      upper_devices: ports,
    },
  }
}
