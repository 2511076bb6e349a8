import type { Config } from '../contract/common.ts'
import { LEAST_MEMORY, isTrue } from './config-values.ts'
import type { Limits } from './container.ts'
import { badRequest } from './failure.ts'
import { parseBytes, parseBytesOf, parsePercent } from './units.ts'

/** What percentages and counts of processors refer to. */
export interface Host {
  cpus: number
  memoryBytes: number
}

/** Microseconds of CPU time one processor has in the engine's period of 100 ms. */
const FULL = 100_000
const SHARES = 1024

/** `limits.*` of an expanded, checked config → the engine's limits. Bad-request for what this engine does not have. */
export function limitsOf(config: Config, host: Host): Limits {
  const memoryBytes = toMemory(config, host)
  return {
    cpuQuota: toQuota(config, host),
    cpuShares: toShares(config),
    cpuSet: toCpuSet(config, host),
    memoryBytes,
    swapBytes: toSwap(config, memoryBytes),
    processes: Math.max(0, Number(config['limits.processes'] ?? '')),
  }
}

/** The most CPU time an instance may use, in percent of one processor; 0: no limit. */
export function cpuLimitOf(config: Config): number {
  return toQuota(config, { cpus: Number.POSITIVE_INFINITY, memoryBytes: 0 }) / (FULL / 100)
}

/** A count of processors and a hard allowance both bound the time: the lower one counts. */
function toQuota(config: Config, host: Host): number {
  const cpu = config['limits.cpu'] ?? ''
  const quotas: number[] = []
  // More than there are means all of them, as in LXD.
  if (/^[0-9]+$/.test(cpu) && Number(cpu) < host.cpus) quotas.push(Number(cpu) * FULL)
  const [, slice, period] = /^([0-9]+)ms\/([0-9]+)ms$/.exec(config['limits.cpu.allowance'] ?? '') ?? []
  // The engine takes no quota below 1 ms of a period.
  if (slice !== undefined) quotas.push(Math.max(1000, Math.round((Number(slice) / Number(period)) * FULL)))
  return quotas.length === 0 ? 0 : Math.min(...quotas)
}

/** A soft allowance is a weight under load; the priority (10 unless set) shifts it a little, as in LXD. */
function toShares(config: Config): number {
  const percent = parsePercent(config['limits.cpu.allowance'] ?? '')
  const priority = config['limits.cpu.priority'] ?? ''
  if (percent === undefined && priority === '') return 0
  const shares = Math.round((SHARES * (percent ?? 100)) / 100) - (10 - Number(priority === '' ? 10 : priority))
  return Math.max(2, shares)
}

function toCpuSet(config: Config, host: Host): string {
  const cpu = config['limits.cpu'] ?? ''
  if (cpu === '' || /^[0-9]+$/.test(cpu)) return ''
  const highest = Math.max(...cpu.split(/[-,]/).map(Number))
  if (highest >= host.cpus)
    throw badRequest(`Invalid limits.cpu "${cpu}": the engine has the processors 0 to ${host.cpus - 1}`)
  return cpu
}

function toMemory(config: Config, host: Host): number {
  const text = config['limits.memory'] ?? ''
  const bytes = parseBytesOf(text, host.memoryBytes)
  if (text !== '' && bytes < LEAST_MEMORY)
    throw badRequest(`Memory limit must be at least ${LEAST_MEMORY} bytes (6MiB): limits.memory is ${text}`)
  return bytes
}

/** Without a limit of memory there is none of swap. Else as much as memory, the engine's own default, unless said otherwise. */
function toSwap(config: Config, memoryBytes: number): number {
  if (memoryBytes === 0) return -1
  const text = config['limits.memory.swap'] ?? ''
  if (text === '' || isTrue(text)) return memoryBytes
  return /^[0-9]/.test(text) && text !== '0' ? parseBytes(text) : 0
}
