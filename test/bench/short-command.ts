/** A short command of lxc, whole, beside the engine calls it needs. */
import { difference, ms, ofLxd, type Row } from './report.ts'
import { median, medianDifference, quantile, timed } from './statistics.ts'

const WARM_UP = 5

export interface ShortCommand {
  what: string
  /** Milliseconds with a real LXD, recorded. */
  recorded: number
  byLxc(): Promise<unknown>
  /** The same with a real LXD, where there is one. */
  byLxd: (() => Promise<unknown>) | undefined
  bare(): Promise<unknown>
}

/** So many runs of each, in turns. */
export async function compareShort({ what, recorded, byLxc, byLxd, bare }: ShortCommand, runs: number): Promise<Row> {
  for (let warm = 0; warm < WARM_UP; warm++) {
    await byLxc()
    await byLxd?.()
  }
  const windlass: number[] = []
  const yardstick: number[] = []
  const lxd: number[] = []
  for (let run = 0; run < runs; run++) {
    windlass.push(await timed(byLxc))
    yardstick.push(await timed(bare))
    if (byLxd !== undefined) lxd.push(await timed(byLxd))
  }
  return {
    figure: `${what}, the whole command, p50 (n = ${runs})`,
    windlass: `${ms(median(windlass))}, p99 ${ms(quantile(windlass, 0.99))}`,
    yardstick: `${ms(median(yardstick))} the bare engine calls`,
    result: difference(medianDifference(windlass, yardstick)),
    target: '≤ +25 ms',
    lxd: ofLxd(byLxd && lxd, recorded),
  }
}
