/** Resolves when this process is to stop: SIGTERM, Ctrl-C, or the end of the supervisor. Asked for before it says it is ready. */
export function stopAsked(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve())
  process.once('disconnect', () => resolve())
  // Listening would keep the channel to the supervisor, and with it this process, open for ever.
  process.channel?.unref()
  return promise
}
