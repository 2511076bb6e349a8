import { AsyncLocalStorage } from 'node:async_hooks'
import type { FreshnessState } from './freshness.ts'

/** Runs work, and all that follows from it, in one scope. */
export type Within = <T>(work: () => T) => T

/** Reads that belong together, those of one HTTP request, ask the store once how far memory should be. */
export interface ReadScopes {
  open(): Within
  /** What was asked before says nothing about the reads that follow: they come after something was written or seen. */
  renew(): void
  /** The scope's answer; outside of every scope, and where the last one was not `fresh`, a new one. */
  check(ask: () => Promise<FreshnessState>): Promise<FreshnessState>
}

/** Longer than a request's work takes, so that what goes on after it (streams, timers) asks again; milliseconds. */
const LASTS = 1_000

interface Scope {
  asked?: { at: number; answer: Promise<FreshnessState> } | undefined
}

export function createReadScopes(): ReadScopes {
  const scopes = new AsyncLocalStorage<Scope>()

  function check(ask: () => Promise<FreshnessState>): Promise<FreshnessState> {
    const scope = scopes.getStore()
    if (scope === undefined) return ask()
    const { asked } = scope
    if (asked !== undefined && performance.now() - asked.at < LASTS) return asked.answer
    const own = { at: performance.now(), answer: ask() }
    scope.asked = own
    const forget = (): void => {
      if (scope.asked === own) scope.asked = undefined
    }
    own.answer.then((state) => state === 'fresh' || forget(), forget)
    return own.answer
  }

  return {
    open: () => {
      const scope: Scope = {}
      return (work) => scopes.run(scope, work)
    },
    renew: () => {
      const scope = scopes.getStore()
      if (scope !== undefined) scope.asked = undefined
    },
    check,
  }
}
