import { isFailure } from '../core/failure.ts'

/**
 * `fresh`: memory holds all that was written before the question. `behind`: it does not yet. `away`: nobody can say.
 * `lost`: the store has gone back behind memory.
 */
export type FreshnessState = 'fresh' | 'behind' | 'away' | 'lost'

export interface Freshness {
  /** The number memory has reached. */
  reached(): number
  reach(inv: number): void
  /** As `reach`, also to a lower number. */
  restart(inv: number): void
  /** The store's number now. */
  ask(): Promise<number>
  check(loaded: boolean): Promise<FreshnessState>
  awaySince(): number | undefined
}

/** How long a read waits for memory to catch up, milliseconds. */
const PATIENCE = 500
/** While the store is away it is asked this often, milliseconds: a hung one costs each question its deadline. */
const ASK_AGAIN = 1_000

/** Knows how far memory has come, and asks the store how far it should be. */
export function createFreshness(readInv: () => Promise<number>): Freshness {
  let reached = 0
  let away: { since: number; asked: number } | undefined
  let question: Promise<number> | undefined
  const waiting = new Set<() => void>()

  function restart(inv: number): void {
    reached = inv
    for (const wake of waiting) wake()
  }

  /** One question for all readers of the same turn of the event loop; it is sent after the last of them asked. */
  function ask(): Promise<number> {
    question ??= new Promise((resolve) => {
      setImmediate(() => {
        question = undefined
        resolve(readInv())
      })
    })
    return question
  }

  async function check(loaded: boolean): Promise<FreshnessState> {
    if (loaded && away !== undefined && Date.now() - away.asked < ASK_AGAIN) return 'away'
    const before = reached
    try {
      const inv = await ask()
      away = undefined
      if (!loaded) return 'behind'
      if (inv < before) return 'lost'
      return (await catchUp(inv)) ? 'fresh' : 'behind'
    } catch (error) {
      if (!loaded || !isFailure(error, 'unavailable')) throw error
      away = { since: away?.since ?? Date.now(), asked: Date.now() }
      return 'away'
    }
  }

  async function catchUp(inv: number): Promise<boolean> {
    if (reached >= inv) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => {
      if (reached >= inv) resolve()
    }
    waiting.add(wake)
    const timer = setTimeout(resolve, PATIENCE)
    await promise
    clearTimeout(timer)
    waiting.delete(wake)
    return reached >= inv
  }

  return {
    reached: () => reached,
    reach: (inv) => {
      if (inv > reached) restart(inv)
    },
    restart,
    ask,
    check,
    awaySince: () => away?.since,
  }
}
