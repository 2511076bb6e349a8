/** How busy this machine is: processors, memory, swap and the disk below `/`. */
import type { StatsFs } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { cpus, freemem, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes, and percent from 0 to 100 with one decimal. */
export interface HostFigures {
  cpu: { count: number; usage: number }
  disk: { total: number; used: number; free: number; percent: number }
  memory: { total: number; available: number; percent: number; used: number; free: number }
  /** `sin` and `sout`: bytes swapped in and out since the machine started. */
  swap: { total: number; used: number; free: number; percent: number; sin: number; sout: number }
}

/** Milliseconds over which the processors are watched. */
const WATCH = 100
/** What the kernel counts swapping in, bytes. */
const PAGE = 4096

/** Measured now. Where there is no /proc (macOS) swap is none and memory what the system tells. */
export async function readHostFigures(): Promise<HostFigures> {
  const [cpu, disk, memory, counters] = await Promise.all([
    watchProcessors(),
    statfs('/'),
    readPairs('/proc/meminfo'),
    readPairs('/proc/vmstat'),
  ])
  return { cpu, disk: toDisk(disk), memory: toMemory(memory), swap: toSwap(memory, counters) }
}

async function watchProcessors(): Promise<HostFigures['cpu']> {
  const before = processorTimes()
  await sleep(WATCH)
  const after = processorTimes()
  return { count: cpus().length, usage: percent(after.busy - before.busy, after.all - before.all) }
}

function processorTimes(): { busy: number; all: number } {
  let [busy, all] = [0, 0]
  for (const { times } of cpus()) {
    const { idle, ...working } = times
    const sum = Object.values(working).reduce((total, time) => total + time, 0)
    busy += sum
    all += sum + idle
  }
  return { busy, all }
}

function toDisk({ blocks, bfree, bavail, bsize }: StatsFs): HostFigures['disk'] {
  const [total, used, free] = [blocks * bsize, (blocks - bfree) * bsize, bavail * bsize]
  return { total, used, free, percent: percent(used, used + free) }
}

/** meminfo counts in KiB. */
function toMemory(pairs: Map<string, number>): HostFigures['memory'] {
  const bytes = (name: string, otherwise: number) => (pairs.has(name) ? (pairs.get(name) ?? 0) * 1024 : otherwise)
  const total = bytes('MemTotal', totalmem())
  const free = bytes('MemFree', freemem())
  const available = bytes('MemAvailable', free)
  const used = total - available
  return { total, available, percent: percent(used, total), used, free }
}

function toSwap(pairs: Map<string, number>, counters: Map<string, number>): HostFigures['swap'] {
  const total = (pairs.get('SwapTotal') ?? 0) * 1024
  const free = (pairs.get('SwapFree') ?? 0) * 1024
  const used = total - free
  const [sin, sout] = [(counters.get('pswpin') ?? 0) * PAGE, (counters.get('pswpout') ?? 0) * PAGE]
  return { total, used, free, percent: percent(used, total), sin, sout }
}

/** `name: number …` or `name number`, a line each; nothing where there is no such file. */
async function readPairs(path: string): Promise<Map<string, number>> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return new Map(
    text.split('\n').flatMap((line): [string, number][] => {
      const [, name, number] = /^(\w+):?\s+(\d+)/.exec(line) ?? []
      return name === undefined ? [] : [[name, Number(number)]]
    }),
  )
}

function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.round((1000 * part) / whole) / 10
}
