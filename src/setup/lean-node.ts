/**
 * Node's own arguments for one of the commands, so that its process stays small. V8 grows its young generation to three
 * times this number of MiB, 16 if not said, and an idle process does not give it back. No cost of
 * 4 for requests, nor of 2 for operations, stood out of the noise when it was measured. A worker mostly waits for the
 * engine: one thread beside its own is enough for V8's and Node's background work there.
 */
export function nodeFlags(command: string | undefined): string[] {
  return command === 'worker' ? ['--max-semi-space-size=2', '--v8-pool-size=1'] : ['--max-semi-space-size=4']
}
