/** Who waits for the end of an exec is called when the engine tells one: one stream of events for all of them. */
import { setTimeout as delay } from 'node:timers/promises'
import { openEvents } from './events.ts'
import { readLines } from './ndjson.ts'
import { fields, type Fields, text, textMap } from './read.ts'
import type { Wire } from './engine-wire.ts'

export interface ExecDeaths {
  /** Calls `check` whenever the exec may have ended, also right away; the returned function ends that. */
  follow(exec: { id: string; container: string }, check: () => void): () => void
}

/** Events may be lost, with their connection or without. */
const CHECK_EVERY = 5_000
const RECONNECT_AFTER = 500

/** The deaths of execs on one engine; listens only while somebody follows one. */
export function createExecDeaths(wire: Wire): ExecDeaths {
  const followed = new Map<string, { container: string; check: () => void }>()
  let listening: AbortController | undefined

  const checkAll = (): void => {
    for (const { check } of followed.values()) check()
  }
  async function listen(signal: AbortSignal): Promise<void> {
    const timer = setInterval(checkAll, CHECK_EVERY)
    try {
      while (!signal.aborted) {
        await readDeaths(signal).catch(() => undefined)
        await delay(RECONNECT_AFTER, undefined, { signal }).catch(() => undefined)
      }
    } finally {
      clearInterval(timer)
    }
  }
  async function readDeaths(signal: AbortSignal): Promise<void> {
    const events = await openEvents(wire, { type: ['container'], event: ['exec_die', 'die'] }, signal)
    // What ended before the stream was open is in no event.
    checkAll()
    for await (const line of readLines(events)) for (const check of affected(line)) check()
  }
  function affected(line: Fields): (() => void)[] {
    const actor = fields(line.Actor)
    const exec = textMap(actor.Attributes).execID
    const isOf = ([id, { container }]: [string, { container: string }]): boolean =>
      text(line.Action) === 'die' ? container === text(actor.ID) : id === exec
    return [...followed].filter(isOf).map(([, { check }]) => check)
  }

  return {
    follow: ({ id, container }, check) => {
      followed.set(id, { container, check })
      // It may have ended before anybody listened; one who begins to listen looks then.
      if (listening !== undefined) check()
      else {
        listening = new AbortController()
        void listen(AbortSignal.any([listening.signal, wire.closed]))
      }
      return () => {
        followed.delete(id)
        if (followed.size > 0) return
        listening?.abort()
        listening = undefined
      }
    },
  }
}
