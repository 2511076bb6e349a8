/**
 * Node's own arguments for one of the commands, so that its process stays small. V8 grows its young generation to three
 * times this number of MiB. 2 cost operations nothing that stood out of the noise. With 4 a server under load spends a
 * fifth of its time collecting, with 16 a tenth, and keeps less: less of what is short-lived grows old; `stayLean` gives
 * it back. Node 24 frees the buffers of
 * streams by marking the whole heap unless the capacity says that a look at the young ones comes first
 * (nodejs/node#61967): that took a third of a transfer's time, and twice the memory. A worker mostly waits for the
 * engine: one thread beside its own is enough for V8's and Node's background work there. `--expose-gc` is for `stayLean`.
 */
export function nodeFlags(command: string | undefined): string[] {
  const young = command === 'worker' ? ['--max-semi-space-size=2', '--v8-pool-size=1'] : ['--max-semi-space-size=16']
  return [...young, '--scavenger-max-new-space-capacity-mb=4', '--expose-gc']
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
