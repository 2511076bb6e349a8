/** Lets at most `places` holders in at a time, the others in the order they came. */
export interface Limiter {
  /** Resolves with the function that frees the place; rejects with the signal's reason when that comes first. */
  enter(signal: AbortSignal): Promise<() => void>
}

/** A limiter with a number of places. */
export function createLimiter(places: number): Limiter {
  const waiting = new Set<() => void>()
  let free = places

  const leave = (): void => {
    free++
    for (const wake of waiting) {
      waiting.delete(wake)
      wake()
      return
    }
  }
  const take = (): (() => void) => {
    free--
    let left = false
    return () => {
      if (!left) leave()
      left = true
    }
  }
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(asError(signal.reason))
        if (free > 0) return resolve(take())
        const wake = (): void => {
          signal.removeEventListener('abort', give)
          resolve(take())
        }
        const give = (): void => {
          waiting.delete(wake)
          reject(asError(signal.reason))
        }
        waiting.add(wake)
        signal.addEventListener('abort', give, { once: true })
      }),
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}
