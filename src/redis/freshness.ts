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
  /** Since when the store has not answered, milliseconds since 1970; undefined while it does. */
  awaySince(): number | undefined
}

/** How long a read waits for memory to catch up, milliseconds. */
const PATIENCE = 500
/** After a question that cost its whole deadline, reads do not wait for the next one; milliseconds. */
const HUNG = 1_000
/** A question refused faster than this was cheap enough to be asked again by every read; milliseconds. */
const CHEAP = 100

/** Knows how far memory has come, and asks the store how far it should be. */
export function createFreshness(readInv: () => Promise<number>): Freshness {
  const memory = createMark()
  const ask = oncePerTurn(readInv)
  let away: { since: number; hungAt: number } | undefined
  let probing = false

  async function check(loaded: boolean): Promise<FreshnessState> {
    // Without anything in memory the store itself has to answer, or to refuse.
    if (!loaded) return 'behind'
    if (isHung()) {
      probe()
      return 'away'
    }
    const before = memory.reached()
    const asked = Date.now()
    try {
      const inv = await ask()
      away = undefined
      if (inv < before) return 'lost'
      return (await memory.waitFor(inv, PATIENCE)) ? 'fresh' : 'behind'
    } catch (error) {
      if (!isFailure(error, 'unavailable')) throw error
      const now = Date.now()
      away = { since: away?.since ?? asked, hungAt: now - asked > CHEAP ? now : 0 }
      return 'away'
    }
  }

  function isHung(): boolean {
    return away !== undefined && Date.now() - away.hungAt < HUNG
  }

  /** Asks without anyone waiting, so that a hung store is noticed as soon as it answers again. */
  function probe(): void {
    if (probing) return
    probing = true
    void ask()
      .then(
        () => (away = undefined),
        () => undefined,
      )
      .finally(() => (probing = false))
  }

  return {
    reached: () => memory.reached(),
    reach: (inv) => memory.move(Math.max(inv, memory.reached())),
    restart: (inv) => memory.move(inv),
    ask,
    check,
    awaySince: () => {
      // While it is away nobody may read any more, so nobody else would notice that it is back.
      if (away !== undefined) probe()
      return away?.since
    },
  }
}

/** A number that others wait for. */
function createMark() {
  let reached = 0
  const waiting = new Set<() => void>()

  function move(to: number): void {
    reached = to
    for (const wake of waiting) wake()
  }

  async function waitFor(wanted: number, ms: number): Promise<boolean> {
    if (reached >= wanted) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => {
      if (reached >= wanted) resolve()
    }
    waiting.add(wake)
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
    waiting.delete(wake)
    return reached >= wanted
  }

  return { reached: () => reached, move, waitFor }
}

/** One call for all askers of the same turn of the event loop, made after the last of them asked. */
function oncePerTurn<T>(call: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined
  return () => {
    next ??= new Promise((resolve) => {
      setImmediate(() => {
        next = undefined
        resolve(call())
      })
    })
    return next
  }
}
