/** Live figures of running instances: fresh for one, at most ten seconds old for lists, measured only while asked. */
import type { Devices } from '../contract/common.ts'
import type { InstanceState } from '../contract/instance.ts'
import type { ContainerStats, ContainerSummary } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { effectiveDevices } from '../core/expand.ts'
import type { Clock } from '../core/ports.ts'
import { eachAtOnce } from './at-once.ts'

export interface Sample extends ContainerStats {
  at: number
  pid: number
}

type OnEngine = { member: string; container: string }
type Networks = NonNullable<InstanceState['network']>

export interface Sampler {
  measure(of: OnEngine): Promise<void>
  /** Measures those whose last figures are too old, a few at a time. */
  refresh(of: OnEngine[]): Promise<void>
  latest(of: OnEngine): Sample | undefined
  /** The instance's nics by LXD's device names, and its loopback. */
  networks(container: ContainerSummary, sample: Sample, devices: Devices): Networks
}

/** Milliseconds for which lists show the same figures. */
const FRESH = 10_000
/** Docker 20.10 reads once a second, and then for all who wait: few at a time would take a second for each few. */
export const FIGURES_AT_ONCE = 256

export function createSampler(deps: { engines: ReadonlyMap<string, Engine>; clock: Clock }): Sampler {
  const samples = new Map<string, Sample>()

  async function measure({ member, container }: OnEngine): Promise<void> {
    const engine = deps.engines.get(member)
    if (engine === undefined) return
    const [stats, detail] = await Promise.all([
      engine.containers.stats(container),
      engine.containers.inspect(container),
    ])
    if (stats === undefined || detail === undefined) samples.delete(container)
    else samples.set(container, { ...stats, at: deps.clock.now(), pid: detail.pid })
  }

  async function refresh(of: OnEngine[]): Promise<void> {
    const old = deps.clock.now() - FRESH
    for (const [container, sample] of samples) if (sample.at < old - FRESH) samples.delete(container)
    const waiting = of.filter(({ container }) => (samples.get(container)?.at ?? 0) < old)
    // A figure that cannot be had is shown as none; the list itself must not fail for it.
    await eachAtOnce(waiting, FIGURES_AT_ONCE, (one) => measure(one).catch(() => undefined))
  }

  return { measure, refresh, latest: ({ container }) => samples.get(container), networks }
}

function networks(container: ContainerSummary, sample: Sample, devices: Devices): Networks {
  const interfaces = Object.keys(sample.networks).toSorted()
  const nics = Object.entries(effectiveDevices(devices)).filter(([, device]) => device['type'] === 'nic')
  // A network whose name was taken on the engine has another one there.
  const named = new Set(nics.map(([, device]) => device['network'] ?? device['parent'] ?? ''))
  const others = Object.entries(container.networks).flatMap(([name, other]) => (named.has(name) ? [] : [other]))
  const result: Networks = { lo: LOOPBACK }
  for (const [at, [name, device]] of nics.entries()) {
    const attached = container.networks[device['network'] ?? device['parent'] ?? ''] ?? others.shift()
    if (attached === undefined) continue
    const counted = sample.networks[interfaces[at] ?? '']
    result[device['name'] ?? name] = {
      addresses: addressesOf(attached),
      counters: countersOf(counted),
      hwaddr: attached.mac,
      host_name: '',
      mtu: 1500,
      state: 'up',
      type: 'broadcast',
    }
  }
  return result
}

function addressesOf(attached: ContainerSummary['networks'][string]): Networks[string]['addresses'] {
  const four = { family: 'inet', address: attached.address, netmask: String(attached.prefix), scope: 'global' } as const
  const six = { family: 'inet6', address: attached.ipv6, netmask: String(attached.prefix6), scope: 'global' } as const
  return [four, six].filter(({ address }) => address !== '')
}

const NOTHING_COUNTED: ContainerStats['networks'][string] = {
  rxBytes: 0,
  rxPackets: 0,
  rxErrors: 0,
  rxDropped: 0,
  txBytes: 0,
  txPackets: 0,
  txErrors: 0,
  txDropped: 0,
}

function countersOf(counted = NOTHING_COUNTED): Networks[string]['counters'] {
  return {
    bytes_received: counted.rxBytes,
    bytes_sent: counted.txBytes,
    packets_received: counted.rxPackets,
    packets_sent: counted.txPackets,
    errors_received: counted.rxErrors,
    errors_sent: counted.txErrors,
    packets_dropped_inbound: counted.rxDropped,
    packets_dropped_outbound: counted.txDropped,
  }
}

const LOOPBACK: Networks[string] = {
  addresses: [{ family: 'inet', address: '127.0.0.1', netmask: '8', scope: 'local' }],
  counters: countersOf(),
  hwaddr: '',
  host_name: '',
  mtu: 65536,
  state: 'up',
  type: 'loopback',
}
