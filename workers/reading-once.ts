/** Records as a turn sees them between two of its writes: what its steps ask for several times is read once. */
import type { RecordReader } from '../src/core/ports.ts'

export interface ReadingOnce {
  readonly records: RecordReader
  /** What is asked for from now on is read anew: after a write, a wait, and for the end. */
  renew(): void
}

/** Over the store itself. What it hands out is shared between the askers: nobody changes it. */
export function readingOnce(store: RecordReader): ReadingOnce {
  const known = new Map<string, Promise<unknown>>()

  function once<T>(words: readonly (string | undefined)[], read: () => Promise<T>): Promise<T> {
    const key = JSON.stringify(words)
    const reading = known.get(key) ?? read()
    known.set(key, reading)
    return reading as Promise<T> // the words name the method and the noun, which give the type
  }

  return {
    records: {
      get: (noun, uuid) => once(['get', noun, uuid], () => store.get(noun, uuid)),
      find: (noun, scope, name) => once(['find', noun, scope, name], () => store.find(noun, scope, name)),
      list: (noun, scope) => once(['list', noun, scope], () => store.list(noun, scope)),
      owned: (noun, instance) => once(['owned', noun, instance], () => store.owned(noun, instance)),
    },
    renew: () => known.clear(),
  }
}
