/** Wrong secrets are counted by where they come from, so that nobody can try many. Each process counts for itself. */
import { isIPv6 } from 'node:net'
import { tooMany } from '../core/failure.ts'
import type { Clock } from '../core/ports.ts'

export interface GuessesOptions {
  clock: Pick<Clock, 'now'>
  /** How many wrong ones are free. */
  burst: number
  /** Milliseconds after which one more is. */
  every: number
}

export type Guesses = ReturnType<typeof createGuesses>

/** Origins that are remembered; the ones that were quiet longest are forgotten first. */
const ORIGINS = 10_000

export function createGuesses({ clock, burst, every }: GuessesOptions) {
  /** Origin → when its last wrong guess is made good: each adds `every` to now or to what is still open. */
  const open = new Map<string, number>()

  /** Throws too-many, with the seconds to wait, where one more wrong guess would be over the bound. */
  function check(address: string): void {
    const late = (open.get(originOf(address)) ?? 0) - clock.now() - (burst - 1) * every
    if (late > 0) throw tooMany('Too many wrong secrets from this address', { retryAfter: Math.ceil(late / 1000) })
  }

  function wrong(address: string): void {
    const origin = originOf(address)
    const until = Math.max(clock.now(), open.get(origin) ?? 0) + every
    open.delete(origin)
    open.set(origin, until)
    const [oldest] = open.keys()
    if (open.size > ORIGINS && oldest !== undefined) open.delete(oldest)
  }

  return { check, wrong }
}

/** Whoever has one IPv6 address has its whole /64. */
function originOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [head = '', tail = ''] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = address.includes('::') ? 8 - groups.length - (tail === '' ? 0 : tail.split(':').length) : 0
  return [...groups, ...Array.from({ length: missing }, () => '0')].slice(0, 4).join(':')
}
