/** What happens, as clients follow it: live, or from an event they have seen. */
import type { Event, EventType } from '../contract/event.ts'
import { notFound } from '../core/failure.ts'
import { RESERVED_PROJECT } from '../core/names.ts'
import type { EventBus, LogEvent, RecordReader } from '../core/ports.ts'
import { toOperation } from '../operations/render.ts'
import { mayEnter, maySee, type Caller } from './caller.ts'

/** What a client asks to follow. */
export interface Following {
  types: ReadonlySet<EventType>
  /** undefined: every project the caller may enter. */
  project: string | undefined
  /** Continue after this event; undefined: from now on. */
  after: string | undefined
}

/** Where events go. Neither may throw. */
export interface Follower {
  event(id: string, event: Event): void
  /** The log itself could not be read on: the client has to begin again. */
  failed(failure: unknown): void
}

export type Events = ReturnType<typeof createEvents>

interface Resumption {
  after: string
  tell(event: LogEvent): void
  follower: Follower
}

/** Events of the past are read in pages of this many: each is taken by a reader that keeps up before the next one comes. */
const PAGE = 50

export function createEvents({ bus, records }: { bus: EventBus; records: Pick<RecordReader, 'find'> }) {
  let newest = ''
  const unsubscribe = bus.subscribe((event) => {
    newest = event.id
  })

  /** The newest event this process has seen: taken before a request is carried out, its events all come after it. */
  function cursor(): string {
    return newest
  }

  /** Nothing will ever happen in a project that does not exist: its follower is told so at once. */
  async function requireKnown({ project }: Following): Promise<void> {
    if (project === undefined || project === 'default' || project === RESERVED_PROJECT) return
    if ((await records.find('project', '', project)) === undefined) throw notFound('Project not found')
  }

  /** Calls back for each event in order, without a hole and without a repeat, until the returned function is called. */
  function follow(caller: Caller, following: Following, follower: Follower): () => void {
    const tell = (event: LogEvent) => {
      const visible = toEvent(event, caller, following)
      if (visible !== undefined) follower.event(event.id, visible)
    }
    if (following.after === undefined) return bus.subscribe(tell)
    return resume({ after: following.after, tell, follower })
  }

  function resume(from: Resumption): () => void {
    const stopping = new AbortController()
    let waiting: LogEvent[] | undefined = []
    let reached = from.after
    // What comes live was partly in the pages as well.
    const tellNew = (event: LogEvent) => void (isAfter(event.id, reached) && from.tell(event))
    const stop = bus.subscribe((event) => (waiting === undefined ? tellNew(event) : void waiting.push(event)))
    const catchUp = async () => {
      reached = await replay(from, stopping.signal)
      waiting?.forEach(tellNew)
      waiting = undefined
    }
    catchUp().catch((failure: unknown) => from.follower.failed(failure))
    return () => {
      stopping.abort()
      stop()
    }
  }

  /** Tells what is kept after an event, page by page; the id of the last one. */
  async function replay(from: Resumption, signal: AbortSignal): Promise<string> {
    let last = from.after
    while (!signal.aborted) {
      const { events, complete } = await bus.since(last, PAGE)
      if (!complete) from.follower.event('', gap('Events before this one are no longer kept'))
      for (const event of events) from.tell(event)
      last = events.at(-1)?.id ?? last
      if (events.length < PAGE) break
    }
    return last
  }

  return { cursor, requireKnown, follow, close: unsubscribe }
}

/** Said to a client that has missed events. */
export function gap(reason: string): Event {
  return { type: 'gap', timestamp: new Date().toISOString(), location: 'none', project: '', metadata: { reason } }
}

function toEvent(event: LogEvent, caller: Caller, following: Following): Event | undefined {
  if (event.type === 'record' || event.type === 'cancel' || !following.types.has(event.type)) return undefined
  if (!isVisible(event, caller, following.project)) return undefined
  const common = { timestamp: new Date(event.at).toISOString(), location: 'none', project: event.project }
  if (event.type === 'operation')
    return { type: 'operation', ...common, metadata: toOperation(event.operation, caller.requestor) }
  if (event.type === 'logging') return { type: 'logging', ...common, metadata: event.line }
  const { project: _project, ...metadata } = event.lifecycle
  // What belongs to the server as a whole LXD tells of as of its first project.
  return { type: 'lifecycle', ...common, project: event.project || 'default', metadata }
}

/** Events of no project are for those who are bound to none; the server's log is for those who run it. */
function isVisible(event: LogEvent, caller: Caller, project: string | undefined): boolean {
  if (event.type === 'logging' && caller.role === 'viewer') return false
  if (event.project === '') return caller.projects === null
  if (event.type === 'operation' && !maySee(caller, event.operation)) return false
  return mayEnter(caller, event.project) && (project === undefined || event.project === project)
}

/** Ids are those of a Redis stream: milliseconds, a dash, a number. */
function isAfter(id: string, other: string): boolean {
  const [at = 0, number = 0] = id.split('-').map(Number)
  const [otherAt = 0, otherNumber = 0] = other.split('-').map(Number)
  return at === otherAt ? number > otherNumber : at > otherAt
}
