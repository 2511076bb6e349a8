/** Reading what the engine locks a container for, for somebody who may be slow. */
import { keepAside, type Scratch } from './scratch.ts'

/**
 * Milliseconds for which a reader is waited for at once; one that has been waited for so long all in all has to have
 * taken so many bytes in each of them.
 */
const PATIENCE = 1_000
const PACE = 10_000

/**
 * Passes on what is taken quickly. A slow reader must not hold the container's lock: while it is waited for for too long
 * the rest is kept aside for it. The source ends with it.
 */
export async function* unlocking(source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const aside: { kept?: Promise<Scratch> } = {}
  let timer: NodeJS.Timeout | undefined
  const keep = (): void => {
    aside.kept = keepAside(source)
    // It is met when the reader comes back.
    aside.kept.catch(() => undefined)
  }
  try {
    for (let waited = 0, taken = 0; aside.kept === undefined;) {
      const next = await source.next()
      if (next.done === true) return
      taken += next.value.length
      const since = performance.now()
      timer = setTimeout(keep, Math.min(PATIENCE, Math.max(PATIENCE, taken / PACE) - waited))
      yield next.value
      clearTimeout(timer)
      waited += performance.now() - since
    }
    yield* (await aside.kept).read()
  } finally {
    clearTimeout(timer)
    await source.return(undefined)
    await aside.kept?.then((scratch) => scratch[Symbol.asyncDispose]()).catch(() => undefined)
  }
}
