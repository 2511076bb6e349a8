import { array, type Arbitrary, constant, constantFrom, nat, oneof, record, tuple } from 'fast-check'

/** Operations and workers of a schedule. */
export const OPERATIONS = 3
export const WORKERS = 3

/**
 * One thing that happens. `go`: the worker takes a job, or does the next thing of its turn up to its next call. `again`:
 * the same, and its call to Redis is sent twice. `crash`: the worker is dead. `stall`: the operation's job is given to
 * another worker although its holder lives. `notice`: the worker is told that it lost its lock. `drain`: it hands its
 * job back. `forget`: the queue loses the job. `late`: a call of an earlier turn arrives, with something to write.
 */
export type Event =
  | { do: 'accept' | 'cancel' | 'stall' | 'forget' | 'late'; operation: number }
  | { do: 'go' | 'again' | 'crash' | 'notice' | 'drain'; worker: number }
  | { do: 'sweep' }

const operation = nat(OPERATIONS - 1)
const worker = nat(WORKERS - 1)

const on = (...kinds: Extract<Event, { operation: number }>['do'][]) =>
  record({ do: constantFrom(...kinds), operation })
const by = (...kinds: Extract<Event, { worker: number }>['do'][]) => record({ do: constantFrom(...kinds), worker })

const event: Arbitrary<Event> = oneof(
  { weight: 12, arbitrary: by('go') },
  { weight: 3, arbitrary: on('accept') },
  { weight: 4, arbitrary: by('again', 'crash', 'notice', 'drain') },
  { weight: 5, arbitrary: on('cancel', 'stall', 'forget', 'late') },
  { weight: 1, arbitrary: constant({ do: 'sweep' as const }) },
)

/** Begins with something to do. */
export const schedule: Arbitrary<Event[]> = tuple(operation, array(event, { minLength: 4, maxLength: 24 })).map(
  ([first, rest]) => [{ do: 'accept', operation: first }, ...rest],
)
