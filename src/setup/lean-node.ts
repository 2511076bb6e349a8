/**
 * Node's own arguments for one of the commands, so that its process stays small. V8 grows its young generation to three
 * times this number of MiB, 16 if not said, and an idle process does not give it back. No cost of
 * 4 for requests, nor of 2 for operations, stood out of the noise when it was measured. A worker mostly waits for the
 * engine: one thread beside its own is enough for V8's and Node's background work there. `--expose-gc` is for `settle`.
 */
export function nodeFlags(command: string | undefined): string[] {
  const young = command === 'worker' ? ['--max-semi-space-size=2', '--v8-pool-size=1'] : ['--max-semi-space-size=4']
  return [...young, '--expose-gc']
}

/** Gives back what starting has left behind, some 20 MB, which V8 would keep until it needs room. */
export function settle(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
