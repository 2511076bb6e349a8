import type { Hold, OperationStore } from '../../../src/core/ports.ts'

export class Crashed extends Error {}

type Call = () => Promise<unknown>

/** One worker's turn at one operation: it stands still before each call until it is told to go. */
export class Turn {
  readonly operation: number
  readonly hold: Hold
  readonly ticket: { id: string; kind: string; epoch: number }
  readonly control = new AbortController()
  /** The last call to Redis, to be sent again. */
  last: Call | undefined
  over = false
  #waiting: PromiseWithResolvers<void>[] = []
  #crashed = false
  #moved = Promise.withResolvers<void>()

  constructor(operation: number, ticket: Turn['ticket'], job: { attempt: number; token: string }) {
    this.operation = operation
    this.ticket = ticket
    this.hold = { id: ticket.id, epoch: ticket.epoch, ...job }
  }

  /** Begins; resolves when it stands still for the first time. */
  async begin(perform: (turn: Turn) => Promise<void>): Promise<void> {
    const { promise } = this.#moved
    void perform(this)
      .catch(() => undefined)
      .finally(() => {
        this.over = true
        this.#moved.resolve()
      })
    await promise
  }

  /** Stands still until it may go on. A crashed one never does anything any more. */
  async gate(): Promise<void> {
    if (this.#crashed) throw new Crashed()
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    this.#moved.resolve()
    await waiting.promise
  }

  /** Lets it do one thing; resolves when it stands still again or is over. */
  async go(): Promise<void> {
    const next = this.#waiting.shift()
    if (next === undefined || this.over) return
    this.#moved = Promise.withResolvers<void>()
    const { promise } = this.#moved
    next.resolve()
    await promise
  }

  async crash(): Promise<void> {
    this.#crashed = true
    this.#moved = Promise.withResolvers<void>()
    const { promise } = this.#moved
    const waiting = this.#waiting.splice(0)
    for (const { reject } of waiting) reject(new Crashed())
    if (waiting.length > 0 && !this.over) await promise
  }
}

/** The store as a turn sees it: each call waits at the gate, and is watched. */
export function gatedStore(
  store: OperationStore,
  turn: Turn,
  watch: (turn: Turn, call: 'begin' | 'note' | 'end', answer: string) => void,
): OperationStore {
  const gated = async <A extends string | { outcome: string }>(
    name: 'begin' | 'note' | 'end',
    call: () => Promise<A>,
  ): Promise<A> => {
    await turn.gate()
    turn.last = call
    const answer = await call()
    watch(turn, name, typeof answer === 'string' ? answer : answer.outcome)
    return answer
  }
  return {
    ...store,
    begin: (...args) => gated('begin', () => store.begin(...args)),
    note: (...args) => gated('note', () => store.note(...args)),
    end: (...args) => gated('end', () => store.end(...args)),
  }
}
