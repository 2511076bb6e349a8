/** Our views in the words of `lxc-info`. */
import type { InstanceState } from '../../contract/instance.ts'
import { effectiveDevices } from '../../core/expand.ts'
import type { Listed as Found } from '../../services/directory.ts'
import type { Sample } from '../../services/sampler.ts'
import type { Container, Listed } from './wire.ts'

const STATES = { Running: 'running', Frozen: 'frozen', Stopped: 'stopped', Error: 'stopped' } as const

export function toList(all: Found[]): Listed {
  return all
    .map(({ nickname, view }) => ({ container: nickname, state: STATES[view.status.status] }))
    .toSorted((a, b) => (a.container < b.container ? -1 : 1))
}

/** `sample`: what the engine counted last; undefined of one that does not run. */
export function toContainer(
  { nickname, view, where }: Found,
  now: InstanceState,
  sample: Sample | undefined,
): Container {
  const names = { name: nickname, instance: where.name }
  const state = ({ running: 'RUNNING', frozen: 'FROZEN', stopped: 'STOPPED' } as const)[STATES[view.status.status]]
  if (state === 'STOPPED') return { ...names, state, pid: 0 }
  return {
    ...names,
    state,
    pid: String(now.pid),
    cpu_use: `${(now.cpu.usage / 1e9).toFixed(2)} seconds`,
    memory_use: inUnits(now.memory.usage),
    kmem_use: inUnits(sample?.kernelBytes ?? 0),
    blkio_use: inUnits(sample?.blockBytes ?? 0),
    ...networkOf(view.devices, now, sample),
  }
}

function networkOf(devices: Found['view']['devices'], now: InstanceState, sample: Sample | undefined) {
  const counted = Object.values(sample?.networks ?? {})
  const rx = counted.reduce((sum, { rxBytes }) => sum + rxBytes, 0)
  const tx = counted.reduce((sum, { txBytes }) => sum + txBytes, 0)
  const nic = Object.values(effectiveDevices(devices)).find((device) => device['type'] === 'nic')
  const link = nic?.['network'] ?? nic?.['parent']
  const ip = Object.values(now.network ?? {})
    .filter(({ type }) => type === 'broadcast')
    .flatMap(({ addresses }) => addresses)
    .toSorted((a, b) => (a.family < b.family ? -1 : 1))[0]?.address
  return {
    ...(ip === undefined ? {} : { ip }),
    ...(link === undefined ? {} : { link }),
    rx_bytes: inUnits(rx),
    tx_bytes: inUnits(tx),
    total_bytes: inUnits(rx + tx),
  }
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB']

/** `0 bytes`, `81.08 KiB`. */
function inUnits(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  let [value, at] = [bytes / 1024, 0]
  while (value >= 1024 && at < UNITS.length - 1) [value, at] = [value / 1024, at + 1]
  return `${value.toFixed(2)} ${UNITS[at]}`
}
