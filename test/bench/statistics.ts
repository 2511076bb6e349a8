/** The value below which a share of them lies (0.5: the median); NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The median. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The median of what one is more than the other, pair by pair: what both share, such as drift, falls out. */
export function medianDifference(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, at) => value - (theirs[at] ?? Number.NaN)))
}

/** How long it took, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}
