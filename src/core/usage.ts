/** What a container uses, from readings of its counters. */
import type { Reading } from './ports.ts'

export interface Usage {
  /** Seconds since 1970. */
  at: number
  memoryBytes: number
  memoryLimitBytes: number
  /** Of one processor. */
  cpuPercent: number
  /** Since the container's start. */
  receivedBytes: number
  sentBytes: number
  /** Since the reading before; 0 for the first. */
  receivedDelta: number
  sentDelta: number
}

/** Readings, oldest first → the usage at each. Where a counter has begun anew nothing was used. */
export function usageOf(readings: readonly Reading[]): Usage[] {
  return readings.map((reading, index) => {
    const before = readings[index - 1] ?? reading
    const grown = (counter: 'cpuNanoseconds' | 'receivedBytes' | 'sentBytes') =>
      Math.max(0, reading[counter] - before[counter])
    const elapsed = (reading.at - before.at) * 1e6
    return {
      at: Math.floor(reading.at / 1000),
      memoryBytes: reading.memoryBytes,
      memoryLimitBytes: reading.memoryLimitBytes,
      cpuPercent: elapsed > 0 ? (grown('cpuNanoseconds') / elapsed) * 100 : 0,
      receivedBytes: reading.receivedBytes,
      sentBytes: reading.sentBytes,
      receivedDelta: grown('receivedBytes'),
      sentDelta: grown('sentBytes'),
    }
  })
}
