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
  /** What takes hardly more than the client itself, for information. */
  least(): Promise<unknown>
}

/** So many runs of each, in turns. */
export async function compareShort(command: ShortCommand, runs: number): Promise<Row> {
  const { what, recorded, byLxc, byLxd, bare, least } = command
  for (let warm = 0; warm < WARM_UP; warm++) {
    await byLxc()
    await byLxd?.()
  }
  const windlass: number[] = []
  const yardstick: number[] = []
  const client: number[] = []
  const lxd: number[] = []
  for (let run = 0; run < runs; run++) {
    windlass.push(await timed(byLxc))
    yardstick.push(await timed(bare))
    client.push(await timed(least))
    if (byLxd !== undefined) lxd.push(await timed(byLxd))
  }
  return {
    figure: `${what}, the whole command, p50 (n = ${runs})`,
    windlass: `${ms(median(windlass))}, p99 ${ms(quantile(windlass, 0.99))}`,
    yardstick: `${ms(median(yardstick))} the bare engine calls; ${ms(median(client))} lxc query /1.0`,
    result: difference(medianDifference(windlass, yardstick)),
    target: '≤ +25 ms',
    lxd: ofLxd(byLxd && lxd, recorded),
  }
}
