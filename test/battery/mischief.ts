/** Loaded into the battery's workers: blocks their event loop, or moves their clock, when the battery asks for it. */
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
