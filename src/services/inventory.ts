/** What the engines hold, kept in memory: fed by their events and by what workers saw, corrected by periodic lists. */
import type { ContainerSummary } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import type { Clock, Observed } from '../core/ports.ts'

export interface Inventory {
  readonly members: string[]
  container(member: string, id: string): ContainerSummary | undefined
  containers(member: string): ContainerSummary[]
  /** Whether the engine answers, and since when not. */
  member(member: string): { online: boolean; since: number }
  /** Asks the engine for the details of one; they are kept until it changes. */
  look(member: string, id: string): Promise<void>
  /** What a worker saw right after a change. */
  saw(observed: Observed[]): void
  /** Resolves when each engine has been listed once or has failed to answer. */
  settled: Promise<void>
  close(): void
}

export interface InventoryDeps {
  engines: ReadonlyMap<string, Engine>
  clock: Clock
  /** How often everything is listed again, milliseconds. */
  relist: number
  onLost(member: string, failure: Error): void
}

/** What is known of one container; `undefined` summary: seen to be gone. */
interface Entry {
  at: number
  summary: ContainerSummary | undefined
}

/** Events that tell of no state: what comes before a death or after it, and what is only done with a container. */
const SAYS_NOTHING =
  /^(exec_.*|kill|stop|restart|attach|detach|resize|top|commit|copy|export|archive-path|extract-to-dir)$/
/** What our own workers do most; they tell what came out a moment later, and nobody has to look. */
const TOLD_SOON = new Set(['create', 'start', 'rename', 'destroy'])
/** How long is waited for that, milliseconds. */
const SOON = 300
/** How long what was seen here counts against what a worker tells, milliseconds. */
const DOUBTED = 1_000
/** How long a container that is gone is remembered, so that a late list does not bring it back; milliseconds. */
const REMEMBERED = 60_000

export function createInventory(deps: InventoryDeps): Inventory {
  const ending = new AbortController()
  const members = new Map(
    [...deps.engines.values()].map((engine) => [engine.member, new Member(engine, deps, ending.signal)]),
  )
  const settled = Promise.all([...members.values()].map((member) => member.first)).then(() => undefined)
  return {
    members: [...members.keys()],
    container: (member, id) => members.get(member)?.entries.get(id)?.summary,
    containers: (member) => members.get(member)?.all() ?? [],
    member: (member) => members.get(member)?.reach ?? { online: false, since: 0 },
    look: async (member, id) => members.get(member)?.look(id),
    saw: (observed) => {
      for (const one of observed) members.get(one.member)?.saw(one)
    },
    settled,
    close: () => ending.abort(),
  }
}

class Member {
  readonly entries = new Map<string, Entry>()
  reach: { online: boolean; since: number }
  readonly first: Promise<void>
  readonly #engine: Engine
  readonly #deps: InventoryDeps
  readonly #signal: AbortSignal
  #listing: Promise<void> | undefined
  readonly #later = new Map<string, NodeJS.Timeout>()
  readonly #looks = new Map<string, { now: Promise<void>; next?: Promise<void> }>()

  constructor(engine: Engine, deps: InventoryDeps, signal: AbortSignal) {
    this.#engine = engine
    this.#deps = deps
    this.#signal = signal
    this.reach = { online: false, since: deps.clock.now() }
    this.first = this.relist()
    void this.#watch()
    const timer = setInterval(() => void this.relist(), deps.relist)
    signal.addEventListener('abort', () => {
      clearInterval(timer)
      for (const id of this.#later.keys()) this.#cancelLater(id)
    })
  }

  all(): ContainerSummary[] {
    return [...this.entries.values()].flatMap(({ summary }) => (summary === undefined ? [] : [summary]))
  }

  saw({ container, summary }: Observed): void {
    this.#cancelLater(container)
    const now = this.#deps.clock.now()
    const known = this.entries.get(container)
    this.entries.set(container, { at: now, summary })
    // What we have just seen ourselves may be newer: events come by another way, and a program may end at once.
    const isOther = summary !== undefined && known?.summary?.status !== summary.status
    if (isOther && known !== undefined && known.at > now - DOUBTED) void this.look(container)
  }

  /** Lists everything; what was seen after the list began is newer than the list. */
  relist(): Promise<void> {
    this.#listing ??= this.#list().finally(() => (this.#listing = undefined))
    return this.#listing
  }

  async #list(): Promise<void> {
    const began = this.#deps.clock.now()
    try {
      const listed = await this.#engine.containers.list(this.#signal)
      this.#online()
      const ids = new Set(listed.map(({ id }) => id))
      for (const [id, entry] of this.entries) {
        if (entry.at >= began || ids.has(id)) continue
        if (entry.summary !== undefined || entry.at < began - REMEMBERED) this.entries.delete(id)
      }
      for (const summary of listed) {
        const known = this.entries.get(summary.id)
        if (known === undefined || known.at < began)
          this.entries.set(summary.id, { at: began, summary: this.#withDetails(known, summary) })
      }
    } catch (thrown) {
      this.#lost(thrown)
    }
  }

  /** A list tells less than a look: what is known stays, unless the status or the engine was away in between. */
  #withDetails(known: Entry | undefined, listed: ContainerSummary): ContainerSummary {
    const isSame = known?.summary?.status === listed.status && known.at >= this.reach.since
    return isSame ? { ...known.summary, ...listed } : listed
  }

  async #watch(): Promise<void> {
    const handlers = {
      onEvent: ({ type, id, action }: { type: string; id: string; action: string }) => {
        if (type !== 'container' || SAYS_NOTHING.test(action)) return
        if (TOLD_SOON.has(action)) this.#lookLater(id)
        else void this.look(id)
      },
      onConnect: () => {
        this.#online()
        void this.relist()
      },
      onLost: (failure: Error) => this.#lost(failure),
    }
    await this.#engine.watch(handlers, this.#signal).catch((thrown: unknown) => this.#lost(thrown))
  }

  #lookLater(id: string): void {
    if (!this.#later.has(id))
      this.#later.set(
        id,
        setTimeout(() => void this.look(id), SOON),
      )
  }

  #cancelLater(id: string): void {
    clearTimeout(this.#later.get(id))
    this.#later.delete(id)
  }

  /** One change makes several events: a look that is asked for while one runs follows it, once for all who ask. */
  look(id: string): Promise<void> {
    this.#cancelLater(id)
    const running = this.#looks.get(id)
    if (running !== undefined) return (running.next ??= running.now.then(() => this.look(id)))
    const now = this.#look(id).finally(() => this.#looks.delete(id))
    this.#looks.set(id, { now })
    return now
  }

  async #look(id: string): Promise<void> {
    const at = this.#deps.clock.now()
    try {
      const summary = await this.#engine.containers.inspect(id, this.#signal)
      const known = this.entries.get(id)
      if (known === undefined || known.at <= at) this.entries.set(id, { at, summary })
    } catch (thrown) {
      this.#lost(thrown)
    }
  }

  #online(): void {
    if (!this.reach.online) this.reach = { online: true, since: this.#deps.clock.now() }
  }

  #lost(thrown: unknown): void {
    if (this.#signal.aborted) return
    if (this.reach.online) this.reach = { online: false, since: this.#deps.clock.now() }
    this.#deps.onLost(this.#engine.member, thrown instanceof Error ? thrown : new Error(String(thrown)))
  }
}
