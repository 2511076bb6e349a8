/**
 * What the rules need from the outside: Redis' side. (The engine's side is in engine.ts.) Each port has one suite in
 * test/ports that every implementation passes. Times are milliseconds since 1970 and come in as arguments.
 */
import type { AnyRecord, Noun, RecordOf } from '../contract/records.ts'
import type {
  Accepted,
  Cancel,
  Lifecycle,
  LogLine,
  OperationRecord,
  OperationState,
  Progress,
  StepNote,
} from '../contract/operation-record.ts'
import type { ContainerSummary } from './container.ts'
import type { FailureCode } from './failure.ts'

/**
 * One change of a record. A put gives the rev it was read with: 0 means it must not exist. The store sets the next rev.
 * `keep` changes nothing: the others are refused unless the record is still as it was read.
 */
export type RecordChange =
  | (AnyRecord & { change: 'put' })
  | { change: 'remove' | 'keep'; noun: Noun; uuid: string; rev: number }

/** A name that must be free (no record, no reservation) and is held until the operation ends. */
export interface NameClaim {
  noun: Noun
  /** What the name is unique in: see `scopeOf`. */
  scope: string
  name: string
}

/** An object that the operation changes (`own`) or only needs as it is (`use`). One owner and no users, or many users. */
export interface BusyClaim {
  key: `${Noun}:${string}`
  mode: 'own' | 'use'
  /** LXD's word for what is going on ("start"), told to whoever is refused. */
  action: string
}

export interface IdempotencyKey {
  /** Already scoped to requestor and project. */
  key: string
  /** sha256 over method, URL and body. */
  fingerprint: string
  /** Milliseconds it is kept. */
  ttl: number
}

/** The answer of a route without an operation, replayed for the same key. */
export interface KeptAnswer {
  status: number
  location: string
  body: string
}

/** Why something was not accepted or written. Nothing was changed then. */
export type Refusal =
  | { outcome: 'repeat'; fingerprint: string; operation: string; answer: KeptAnswer | undefined }
  | { outcome: 'name-taken'; claim: NameClaim }
  | { outcome: 'busy'; key: string; action: string; operation: string }
  | { outcome: 'changed'; noun: Noun; uuid: string }

export interface Acceptance {
  operation: Accepted
  names: NameClaim[]
  busy: BusyClaim[]
  /** Written in the same script (leases). New records among them stay only if the operation succeeds. */
  changes: RecordChange[]
  idempotency?: IdempotencyKey | undefined
  /** JSON kept apart from the record, never rendered, deleted by the end. */
  secret?: string | undefined
  /** What is to be read of it from the beginning. */
  metadata?: Record<string, unknown> | undefined
}

/** Who performs an operation right now. A higher fence wins; the same fence counts only with the same token. */
export interface Hold {
  id: string
  epoch: number
  attempt: number
  token: string
}

export type Begun =
  | { outcome: 'begun'; operation: OperationRecord; secret: string | undefined }
  | { outcome: 'final' }
  | { outcome: 'fenced' }
  | { outcome: 'unknown' }

/** What a worker may write while it performs. */
export interface CourseNote {
  /** Each is kept once. */
  notes?: StepNote[] | undefined
  progress?: Progress | undefined
  metadata?: Record<string, unknown> | undefined
  /** Record changes of the point of no return; with them the operation only goes forward. */
  changes?: RecordChange[] | undefined
  observed?: Observed[] | undefined
  at: number
}

/** `cancel`: a cancel is asked for; written all the same, but never `changes`. */
export type Noted = 'written' | 'cancel' | 'fenced' | 'changed'

export interface Ending {
  state: Extract<OperationState, 'success' | 'failure' | 'cancelled'>
  err: string
  code: FailureCode | ''
  metadata: Record<string, unknown> | null
  warnings: string[]
  undone: string[]
  /** Of steps, as in CourseNote. */
  notes: StepNote[]
  changes: RecordChange[]
  lifecycle: Lifecycle[]
  observed: Observed[]
  at: number
}

/** The engine's state of a container as it was right after a change; `undefined` means it is gone. */
export interface Observed {
  member: string
  container: string
  summary: ContainerSummary | undefined
}

/** `cancelling`: a success was refused because a cancel had been promised; end it as cancelled. */
export type Ended = 'ended' | 'cancelling' | 'fenced' | 'changed' | 'final'

export type CancelOutcome = 'cancelled' | 'asked' | 'refused' | 'final' | 'unknown'

export interface HistoryQuery {
  /** undefined: every project. */
  project: string | undefined
  since: number
  until: number
  limit: number
  /** Opaque; from the page before. */
  cursor: string | undefined
  matches(operation: OperationRecord): boolean
}

export interface HistoryPage {
  operations: OperationRecord[]
  cursor: string | undefined
}

export interface OperationStore {
  /** One script: record (pending), indexes, claims, idempotency key, first event. Or a refusal and nothing. */
  accept(acceptance: Acceptance): Promise<{ outcome: 'accepted'; operation: OperationRecord } | Refusal>
  get(id: string): Promise<OperationRecord | undefined>
  getMany(ids: string[]): Promise<OperationRecord[]>
  /** Unfinished ones and those that ended at `endedAfter` or later. */
  recent(project: string | undefined, endedAfter: number): Promise<OperationRecord[]>
  history(query: HistoryQuery): Promise<HistoryPage>
  begin(hold: Hold, worker: string, at: number): Promise<Begun>
  /** One write between steps: checks the fence, tells of a cancel. */
  note(hold: Hold, note: CourseNote): Promise<Noted>
  /** The end state, claims freed, records changed, events out: one script, once. */
  end(hold: Hold, ending: Ending): Promise<Ended>
  /** A pending one ends at once as cancelled; a running one is asked. */
  cancel(id: string, cancel: Cancel): Promise<CancelOutcome>
  /** Ends a pending or orphaned operation from outside of any worker, under a raised epoch. */
  raiseEpoch(id: string, at: number): Promise<Hold | undefined>
  /** Ids of unfinished operations that were last touched before `before`, oldest first, without the first `skip`. */
  unfinished(before: number, limit: number, skip?: number): Promise<string[]>
  /** Who holds this key now, or undefined. */
  busy(key: string): Promise<{ action: string; operation: string } | undefined>
  /** What is held for operations that have ended or are not there. Looks at everything: for sweeps only. */
  strayClaims(): Promise<HeldClaim[]>
  /** False where it is held by right by now, or by nobody. */
  freeClaim(claim: HeldClaim): Promise<boolean>
  /** Removes what ended before `before` and what is over `keep`; returns how many. Bounded work per call. */
  prune(before: number, keep: number): Promise<number>
  /** Figures for metrics: unfinished by state, totals by kind and end state since the deployment began. */
  figures(): Promise<OperationFigures>
}

/** A reserved name, a key of a busy object, a use of one, a secret, or a place among the unfinished operations. */
export interface HeldClaim {
  type: 'resv' | 'busy' | 'use' | 'secret' | 'open'
  /** Noun and scope of a name, the key that is used. */
  place: string
  /** The name, the busy key. */
  field: string
  operation: string
}

export interface OperationFigures {
  pending: number
  running: number
  ended: { kind: string; state: string; count: number }[]
}

/** Reading records. In an API process it is the mirror (fresh up to the last write anywhere), in a worker the store. */
export interface RecordReader {
  get<N extends Noun>(noun: N, uuid: string): Promise<RecordOf<N> | undefined>
  find<N extends Noun>(noun: N, scope: string, name: string): Promise<RecordOf<N> | undefined>
  /** All of a noun, or of a scope, by name. */
  list<N extends Noun>(noun: N, scope?: string): Promise<RecordOf<N>[]>
  /** Those that belong to an instance, by name. */
  owned<N extends OwnedNoun>(noun: N, instance: string): Promise<RecordOf<N>[]>
}

/** Records of an instance that have a scope of their own. */
export type OwnedNoun = 'lease' | 'nickname'

export interface RecordWrite {
  changes: RecordChange[]
  /** Refused as busy while one of these has an owner. */
  unlessBusy?: string[] | undefined
  /** Refused as busy while one of these has an owner or users. */
  unlessUsed?: string[] | undefined
  idempotency?: (IdempotencyKey & { answer: KeptAnswer }) | undefined
  lifecycle?: Lifecycle[] | undefined
  at: number
}

/** A record of another version, or a damaged one: lists leave it out, its name stays taken. */
export interface UnreadableRecord {
  noun: Noun
  uuid: string
  reason: string
}

export interface RecordStore extends RecordReader {
  /** All or nothing, one script. */
  write(write: RecordWrite): Promise<{ outcome: 'written' } | Refusal>
  /** The answer kept for a key, or the operation it led to. */
  idempotent(key: string): Promise<Extract<Refusal, { outcome: 'repeat' }> | undefined>
  unreadable(): Promise<UnreadableRecord[]>
}

/** What an operation's turn in the queue carries. The input is read from the record. */
export interface Ticket {
  id: string
  kind: string
  epoch: number
}

export interface JobQueue {
  add(member: string, ticket: Ticket): Promise<void>
  /** Whether the job of this operation waits or runs. */
  has(member: string, id: string): Promise<boolean>
  /**
   * Those of these operations that may have no job, in one question and without reading their records: who has none is
   * always among them, and so is one that is not just as its record would have it. `has` knows.
   */
  doubtful(ids: string[]): Promise<string[]>
  /** Takes a job that nobody has started out of the queue. */
  drop(member: string, id: string): Promise<void>
  counts(member: string): Promise<{ waiting: number; active: number; workers: number }>
}

/** One entry of the deployment's log of events. `id` orders them and can be resumed from. */
export type LogEvent = { id: string; at: number; project: string } & (
  | { type: 'operation'; state: OperationRecord['state']; operation: OperationRecord }
  | { type: 'lifecycle'; lifecycle: Lifecycle }
  | { type: 'logging'; line: LogLine }
  | { type: 'record'; inv: number; changes: RecordEvent[]; observed: Observed[] }
  | { type: 'cancel'; operation: string }
)

export type RecordEvent = AnyRecord | { noun: Noun; uuid: string; removed: true }

export interface EventBus {
  /** Everything from now on; the listener must not throw. Returns the way to stop. */
  subscribe(listener: (event: LogEvent) => void): () => void
  /** Events after `id` that are still kept. `complete` is false when some were trimmed. */
  since(id: string, limit: number): Promise<{ events: LogEvent[]; complete: boolean }>
  /** The id of the newest event. */
  cursor(): Promise<string>
  log(line: LogLine, project: string, at: number): Promise<void>
}

/** What a running container used up to one moment. The counters grow from its start on. */
export interface Reading {
  at: number
  memoryBytes: number
  memoryLimitBytes: number
  cpuNanoseconds: number
  receivedBytes: number
  sentBytes: number
}

/** Readings of the last five hours, one every ten seconds: a place of fixed size for each key, whatever is written. */
export interface ReadingStore {
  /** Adds one reading to each key. */
  add(readings: ReadonlyMap<string, Reading>): Promise<void>
  /** Those of one key from within the five hours before `now`, oldest first. */
  list(key: string, now: number): Promise<Reading[]>
  /** Asks that readings be taken for the next `ms`; whether nobody had asked. */
  want(ms: number): Promise<boolean>
  isWanted(): Promise<boolean>
}

/** One process of the deployment at a time: what has to be done somewhere, but not everywhere. */
export interface Leader {
  /** Becomes or stays the leader for `ms`; false while another process is. */
  lead(ms: number): Promise<boolean>
  /** Lets another process lead at once. */
  resign(): Promise<void>
}

/** The API processes of the deployment that live. Streams belong to one of them; the others pass on what is asked for. */
export interface Peers {
  /** This process, by a name that no other one has had. */
  readonly self: string
  /** Where a process is to be reached, best first: `unix:///path`, `http://host:port`. undefined: it does not live. */
  find(peer: string): Promise<string[] | undefined>
  /** Whether this process could say that it lives for so long without a break that all others that live have, too. */
  isSteady(): boolean
}

/** Files on their way through an API process, in objects of the engine that nobody else knows of yet. */
export interface Transfers {
  begin(): Promise<Transfer>
  /** Which of these ids are transfers: of a process that lives, or of one that has died over them. */
  look(ids: string[]): Promise<Map<string, 'alive' | 'dead'>>
}

/** `id` is what their labels call the operation; the operation that they lead to, if any, goes by it. */
export interface Transfer {
  readonly id: string
  /** They are gone, or have become an operation. */
  end(): Promise<void>
  /** Nobody knows what became of them: left to the sweep. */
  leave(): void
}

/** Durations, ids and the time: given to whoever needs them, so that rules stay pure. */
export interface Clock {
  now(): number
  uuid(): string
  operationId(): string
}

/** A worker's turn at a job: what the fence is made of, and the signal that aborts it (lock lost, cancelled, draining). */
export interface Turn {
  attempt: number
  token: string
  signal: AbortSignal
}

/** Takes jobs from the queues of its members and hands each to `perform` until it is closed. */
export interface JobSource {
  /** Starts no new job; waits `graceMs` for the running ones, then aborts their signals and waits for them to let go. */
  close(graceMs: number): Promise<void>
  /** Aborts the turn of this operation if it runs here. */
  abort(operation: string, reason: 'cancelled'): void
}
