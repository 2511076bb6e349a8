/**
 * Loaded into the battery's workers: blocks their event loop, or moves their clock, when the battery asks for it, and
 * says when the process stood still, with how much of that time was work of its own.
 */
const now = Date.now.bind(Date)
let moved = 0
Date.now = () => now() + moved

process.on('message', (message: { type?: string; ms?: number }) => {
  const { type, ms = 0 } = message
  if (type === 'clock') moved = ms
  if (type !== 'block') return
  const until = performance.now() + ms
  while (performance.now() < until);
})

/** Milliseconds: how often it is looked at, and what is told. */
const EVERY = 100
const TOLD = 250

let last = performance.now()
let used = process.cpuUsage()

function look(): void {
  const ms = performance.now() - last - EVERY
  const { user, system } = process.cpuUsage(used)
  const busy = Math.min(ms, (user + system) / 1_000)
  if (ms > TOLD)
    process.stderr.write(
      `stood still for ${Math.round(ms)} ms until ${now()}, at work for ${Math.round(busy)} ms of them\n`,
    )
  last = performance.now()
  used = process.cpuUsage()
}

setInterval(look, EVERY).unref()
