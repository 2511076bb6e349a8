/** What a container uses. */
import type { ContainerStats } from '../../core/container.ts'
import { count, type Fields, fields, moment } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** A single reading; undefined for what does not run or is not there. */
export async function readStats(wire: Wire, id: string, signal?: AbortSignal): Promise<ContainerStats | undefined> {
  const request = {
    doing: `reading stats of container ${id}`,
    method: 'GET',
    path: route`/containers/${id}/stats`,
    expect: [404, 409],
    // Docker 20.10 reads once a second, and then for all who wait.
    isBlocking: true,
  } as const
  // Without one-shot the engine takes two readings, a second apart.
  const answer = await wire.ask({ ...request, query: { stream: false, 'one-shot': true }, signal })
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
    memoryLimitBytes: count(memory.limit),
    memoryPeakBytes: count(memory.max_usage),
    swapBytes: count(fields(memory.stats).swap),
    kernelBytes: kernelMemory(fields(memory.stats)),
    blockBytes: blockBytes(fields(it.blkio_stats).io_service_bytes_recursive),
    processes: count(fields(it.pids_stats).current),
    networks: Object.fromEntries(Object.entries(fields(it.networks)).map(([name, nic]) => [name, toNic(nic)])),
  }
}

/** Older kernels tell only its parts. */
function kernelMemory(stats: Fields): number {
  return count(stats['kernel']) || count(stats['kernel_stack']) + count(stats['slab']) + count(stats['pagetables'])
}

/** A row per disk and direction; none at all while nothing was read or written. */
function blockBytes(rows: unknown): number {
  if (!Array.isArray(rows)) return 0
  return rows
    .map((row) => fields(row))
    .filter(({ op }) => /^(read|write)$/i.test(String(op)))
    .reduce((sum, { value }) => sum + count(value), 0)
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
