/** At most `count` turns at a time in one process, over all its queues; the others wait in order. */
export interface Slots {
  /** False when the signal aborted before there was a slot. */
  acquire(signal: AbortSignal): Promise<boolean>
  release(): void
  free(): number
}

export function createSlots(count: number): Slots {
  let free = count
  const waiting: (() => void)[] = []

  async function acquire(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    if (free > 0) {
      free -= 1
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const take = () => resolve(true)
    const giveUp = () => {
      const at = waiting.indexOf(take)
      if (at < 0) return
      waiting.splice(at, 1)
      resolve(false)
    }
    waiting.push(take)
    signal.addEventListener('abort', giveUp, { once: true })
    const got = await promise
    signal.removeEventListener('abort', giveUp)
    return got
  }

  function release(): void {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }

  return { acquire, release, free: () => free }
}
