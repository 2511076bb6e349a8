/** A short command of lxc, whole, beside the engine calls it needs. */
import { difference, ms, type Row } from './report.ts'
import { median, medianDifference, quantile, timed } from './statistics.ts'

const WARM_UP = 5

export interface ShortCommand {
  what: string
  /** Milliseconds with a real LXD. */
  lxd: number
  byLxc(): Promise<unknown>
  bare(): Promise<unknown>
}

/** So many runs of each, in turns. */
export async function compareShort({ what, lxd, byLxc, bare }: ShortCommand, runs: number): Promise<Row> {
  for (let warm = 0; warm < WARM_UP; warm++) await byLxc()
  const windlass: number[] = []
  const yardstick: number[] = []
  for (let run = 0; run < runs; run++) {
    windlass.push(await timed(byLxc))
    yardstick.push(await timed(bare))
  }
  return {
    figure: `${what}, the whole command, p50 (n = ${runs})`,
    windlass: `${ms(median(windlass))}, p99 ${ms(quantile(windlass, 0.99))}`,
    yardstick: `${ms(median(yardstick))} the bare engine calls`,
    result: difference(medianDifference(windlass, yardstick)),
    target: '≤ +25 ms',
    lxd: `${lxd} ms`,
  }
}
