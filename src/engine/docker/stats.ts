/** What a container uses. */
import type { ContainerStats } from '../../core/container.ts'
import { count, fields, moment } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** A single reading; undefined for what does not run or is not there. */
export async function readStats(wire: Wire, id: string, signal?: AbortSignal): Promise<ContainerStats | undefined> {
  const request = {
    doing: `reading stats of container ${id}`,
    method: 'GET',
    path: route`/containers/${id}/stats`,
  } as const
  // Without one-shot the engine takes two readings, a second apart.
  const answer = await wire.ask({ ...request, query: { stream: false, 'one-shot': true }, signal, expect: [404, 409] })
  return answer.status < 300 ? toStats(answer.body) : undefined
}

/** `GET /containers/{id}/stats`; undefined where nothing was running to be read. */
export function toStats(payload: unknown): ContainerStats | undefined {
  const it = fields(payload)
  // A stopped one answers with Go's zero time and no figures.
  if (moment(it.read) === 0) return undefined
  const memory = fields(it.memory_stats)
  return {
    cpuNanoseconds: count(fields(fields(it.cpu_stats).cpu_usage).total_usage),
    memoryBytes: count(memory.usage),
    memoryPeakBytes: count(memory.max_usage),
    swapBytes: count(fields(memory.stats).swap),
    processes: count(fields(it.pids_stats).current),
    networks: Object.fromEntries(Object.entries(fields(it.networks)).map(([name, nic]) => [name, toNic(nic)])),
  }
}

function toNic(payload: unknown): ContainerStats['networks'][string] {
  const it = fields(payload)
  return {
    rxBytes: count(it.rx_bytes),
    rxPackets: count(it.rx_packets),
    rxErrors: count(it.rx_errors),
    rxDropped: count(it.rx_dropped),
    txBytes: count(it.tx_bytes),
    txPackets: count(it.tx_packets),
    txErrors: count(it.tx_errors),
    txDropped: count(it.tx_dropped),
  }
}
