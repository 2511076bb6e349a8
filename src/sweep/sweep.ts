/** The sweep: looks for everything that crashes have left, and mends it; one at a time in the whole deployment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { conflict, toFailure } from '../core/failure.ts'
import type { Clock, JobQueue, Leader, OperationStore, RecordStore, Transfers } from '../core/ports.ts'
import { findStrayClaims } from './claims.ts'
import { findLeftovers } from './leftovers.ts'
import { findLostJobs } from './lost-jobs.ts'
import type { Mend, Warn } from './mend.ts'
import { findRebuildable, type RebuildDeps } from './rebuild.ts'
import { lookAt, type SweptEngine } from './sight.ts'
import { findMissing, findUnexplained, findUnreadable, settle, toldBefore, type Teller } from './unexplained.ts'

export interface SweepDeps {
  /** The store itself: a mirror may be behind. */
  records: RecordStore
  store: OperationStore
  queue: JobQueue
  transfers: Pick<Transfers, 'look'>
  engines: ReadonlyMap<string, SweptEngine>
  /** Held while a sweep goes on. */
  lock: Leader
  clock: Clock
  warnings: Warn
  newProject: RebuildDeps['newProject']
}

/** What was found, and what has become of it. */
export interface Swept extends Pick<Mend, 'action' | 'object' | 'reason'> {
  done: boolean
  /** Why it could not be done. */
  error?: string
}

export interface SweepOptions {
  /** Only looks. */
  dryRun: boolean
  /**
   * `networks`: rebuilds only their records, before a server makes what it begins with. `engines`: leaves out the queue
   * and the claims, which need a look at every operation and every key. `all`: everything.
   */
  extent: 'networks' | 'engines' | 'all'
  /** Milliseconds to wait for another sweep's end. */
  patience: number
  signal?: AbortSignal | undefined
}

export type Sweep = (options: SweepOptions) => Promise<Swept[]>

/** How long the lock is held without a renewal, and how often it is renewed; milliseconds. */
const TERM = 6_000
const RENEWED = 1_500
/** How often a lock that another one holds is asked for; milliseconds. */
const RETRY = 250
/** An operation that was touched less long ago is on its way into the queue; milliseconds. */
const SETTLED = 2_000
const AT_ONCE = 500

export function createSweep(deps: SweepDeps): Sweep {
  return async (options) => {
    const held = await hold(deps.lock, options)
    try {
      const teller = { warnings: deps.warnings, told: await toldBefore(deps.records) }
      const found = await find(deps, teller, options)
      const swept: Swept[] = []
      for (const mend of found) swept.push(await carryOut(mend, held, options))
      if (!options.dryRun && options.extent !== 'networks') await settle(teller, found)
      return swept
    } finally {
      await held.release()
    }
  }
}

interface Held {
  /** Throws when it is no longer ours: another sweep may go on already. */
  check(): void
  release(): Promise<void>
}

async function hold(lock: Leader, { patience, signal }: SweepOptions): Promise<Held> {
  const began = performance.now()
  while (!(await lock.lead(TERM))) {
    if (performance.now() - began >= patience) throw conflict('Another sweep goes on; try again', { retryAfter: 5 })
    await pause(RETRY, signal)
  }
  let until = performance.now() + TERM
  const renew = async (): Promise<void> => {
    const asked = performance.now()
    until = (await lock.lead(TERM)) ? asked + TERM : 0
  }
  // Without Redis it runs out by itself.
  const timer = setInterval(() => void renew().catch(() => undefined), RENEWED)
  return {
    check: () => {
      if (performance.now() >= until) throw conflict('The sweep was too slow, another one may have begun')
      signal?.throwIfAborted()
    },
    release: async () => {
      clearInterval(timer)
      await lock.resign().catch(() => undefined)
    },
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal && { signal })
  } catch {
    throw toFailure(signal?.reason)
  }
}

/** One that fails keeps none of the others from being mended. */
async function carryOut(mend: Mend, held: Held, { dryRun }: SweepOptions): Promise<Swept> {
  const { action, object, reason } = mend
  const swept = { action, object, reason }
  if (dryRun) return { ...swept, done: false }
  held.check()
  try {
    return { ...swept, done: await mend.mend() }
  } catch (thrown) {
    return { ...swept, done: false, error: toFailure(thrown).message }
  }
}

async function find(deps: SweepDeps, teller: Teller, { extent }: SweepOptions): Promise<Mend[]> {
  if (extent === 'networks') return findNetworks(deps)
  const found = extent === 'all' ? [...(await findJobs(deps)), ...(await findStrayClaims(deps.store))] : []
  found.push(...findUnreadable(teller, await deps.records.unreadable()))
  for (const engine of deps.engines.values()) {
    const sight = await lookAt(deps, engine, deps.clock.now())
    const rebuilt = findRebuildable(deps, sight)
    const uuids = new Set(rebuilt.flatMap(({ uuid }) => uuid ?? []))
    found.push(...rebuilt, ...(await findLeftovers(deps, sight, deps.clock.now())))
    found.push(...findUnexplained(teller, sight, uuids), ...(await findMissing(teller, deps, sight, uuids)))
  }
  return found
}

async function findJobs({ store, queue, clock }: SweepDeps): Promise<Mend[]> {
  const found: Mend[] = []
  for (let skip = 0; ; skip += AT_ONCE) {
    const ids = await store.unfinished(clock.now() - SETTLED, AT_ONCE, skip)
    found.push(...(await findLostJobs({ store, queue, clock }, await queue.doubtful(ids))))
    if (ids.length < AT_ONCE) return found
  }
}

async function findNetworks(deps: SweepDeps): Promise<Mend[]> {
  const sights = await Promise.all([...deps.engines.values()].map((engine) => lookAt(deps, engine, deps.clock.now())))
  return sights.flatMap((sight) => findRebuildable(deps, { ...sight, containers: [], volumes: [], images: [] }))
}
