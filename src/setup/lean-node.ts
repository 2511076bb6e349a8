/**
 * Node's own arguments for one of the commands, so that its process stays small and wastes no processor. Measured on two
 * cores:
 * - V8 grows its young generation to three times the semi-space, 16 MiB if not said; 2 cost a worker nothing that stood
 *   out of the noise. With 4 a server under load spends a fifth of its time collecting, with 16 a tenth, and keeps less,
 *   as less of what is short-lived grows old. `stayLean` gives it back, for which `--expose-gc` is here.
 * - Node 24 frees the buffers of streams by marking the whole heap unless the capacity says that a look at the young ones
 *   comes first (nodejs/node#61967): that took a third of a transfer's time, and twice the memory.
 * - What is marked all the same is marked by one thread: several that wait for processors made a transfer up to twice as
 *   dear, and accepting a tenth.
 * - A worker mostly waits for the engine: one thread is enough for all of V8's and Node's background work there.
 * All but the sizes are the same for each command: else V8 would not take the code that another one has compiled.
 */
export function nodeFlags(command: string | undefined): string[] {
  const sizes = command === 'worker' ? ['--max-semi-space-size=2', '--v8-pool-size=1'] : ['--max-semi-space-size=16']
  return [...sizes, '--scavenger-max-new-space-capacity-mb=4', '--concurrent-marking-max-worker-num=1', '--expose-gc']
}

/** How often this process asks itself whether it has anything to give back; milliseconds. */
const EVERY = 3_000
/** Share of one processor below which nothing goes on, for so many looks in a row. */
const IDLE = 0.03
const LOOKS = 2
/** Bytes that are worth the pause, some 0.1 s. */
const WORTH = 8_000_000
/** No two pauses are closer than this; milliseconds. */
const APART = 20_000

/**
 * Gives back what starting has left behind, some 20 MB, and later what work has, when nothing goes on: V8 would keep
 * both until it needs room.
 */
export function stayLean(): void {
  giveBack()
  let [kept, idle, next] = [process.memoryUsage.rss(), 0, 0]
  let before = process.cpuUsage()
  const look = (): void => {
    const { user, system } = process.cpuUsage(before)
    idle = (user + system) / 1_000 < IDLE * EVERY ? idle + 1 : 0
    if (idle >= LOOKS && performance.now() >= next && process.memoryUsage.rss() > kept + WORTH) {
      giveBack()
      kept = process.memoryUsage.rss()
      next = performance.now() + APART
    }
    before = process.cpuUsage()
  }
  setInterval(look, EVERY).unref()
}

function giveBack(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
