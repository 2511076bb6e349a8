/** A source of choices that a seed repeats (mulberry32). */
export interface Random {
  /** From 0 up to 1. */
  next(): number
  /** From 0 up to `below`, whole. */
  below(below: number): number
  pick<T>(items: readonly T[]): T
  shuffled<T>(items: readonly T[]): T[]
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return {
    next,
    below,
    pick: (items) => {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('Nothing to pick from')
      return item
    },
    shuffled: (items) => {
      const all = [...items]
      for (let at = all.length - 1; at > 0; at--) {
        const other = below(at + 1)
        const [here, there] = [all[at], all[other]]
        if (here !== undefined && there !== undefined) [all[at], all[other]] = [there, here]
      }
      return all
    },
  }
}
