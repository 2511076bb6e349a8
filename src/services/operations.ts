/** The one way work is given to workers, and everything a client can do with an operation afterwards. */
import type { OperationRecord } from '../contract/operation-record.ts'
import { badRequest, conflict, Failure, forbidden, gone, notFound, timedOut, unprocessable } from '../core/failure.ts'
import { idTime } from '../core/operation-ids.ts'
import { isFinal } from '../core/operation-states.ts'
import type {
  Acceptance,
  BusyClaim,
  Clock,
  HistoryPage,
  HistoryQuery,
  JobQueue,
  NameClaim,
  OperationStore,
  RecordChange,
  Refusal,
} from '../core/ports.ts'
import { isSameText } from '../core/same-text.ts'
import { CATALOG, type InputOf, type Kind } from '../operations/catalog.ts'
import { maySee, requireRole, SERVER, type Caller } from './caller.ts'
import type { Waits } from './waits.ts'

/** What a verb asks for: the kind, its resolved input, and what must be free or stay as it is meanwhile. */
export interface Submission<K extends Kind> {
  kind: K
  input: InputOf<K>
  project: string
  member: string
  /** What it is about: for `/jobs/<id>`, lifecycle events and the history's filter. */
  entity: { id: string; name: string; url: string }
  resources: Record<string, string[]> | null
  /** Where the kind's own words are not LXD's for this one. */
  description?: string
  names?: NameClaim[]
  /** Said when one of `names` is taken. */
  taken?: string
  busy?: BusyClaim[]
  changes?: RecordChange[]
  secret?: unknown
  /** What is to be read of it from the beginning. */
  metadata?: Record<string, unknown>
  /** Its id, where something had to be called by it before. */
  id?: string
  /** Kept for a repeat that is not a client's: see `Acceptance.idempotency`. */
  once?: string
}

export interface OperationsDeps {
  store: OperationStore
  queue: JobQueue
  waits: Waits
  clock: Clock
  /** When the deployment began, milliseconds since 1970: ids from before were never ours. */
  birth: number
  /** How long a finished operation is kept, milliseconds. */
  retention: number
  onQueueFailure(failure: unknown, operation: OperationRecord): void
  /** Named points on the way to an answer; inert unless a test environment names one. */
  point?(name: string, operation: Pick<OperationRecord, 'id' | 'entity'>): Promise<void> | void
}

/** `repeated`: it is the operation of an earlier request with the same Idempotency-Key. */
export type Submitted = { outcome: 'accepted'; operation: OperationRecord; repeated?: true } | Refusal

export type Operations = ReturnType<typeof createOperations>

/** LXD shows a finished operation for five seconds in its list. */
const LISTED_AFTER_END = 5_000
/** An id younger than this may still be on its way into the store. */
const SETTLING = 10_000
/** Longest wait for a route that LXD answers synchronously; milliseconds. */
const SYNC_WAIT = 60_000

export function createOperations(deps: OperationsDeps) {
  const { store, queue, waits, clock } = deps
  /** On the way into the queue. */
  const queueing = new Set<Promise<void>>()

  /** Records the operation as pending and queues it, if it is one for workers. After this it exists, whatever happens to any process. */
  async function submit<K extends Kind>(caller: Caller, submission: Submission<K>): Promise<OperationRecord> {
    const submitted = await trySubmit(caller, submission)
    if (submitted.outcome !== 'accepted') throw toRefusal(submitted, submission.taken)
    return submitted.operation
  }

  /** The same, with a refusal as a value. */
  async function trySubmit<K extends Kind>(caller: Caller, submission: Submission<K>): Promise<Submitted> {
    const acceptance = toAcceptance(caller, submission)
    await deps.point?.('accept.record.before', acceptance.operation)
    const accepted = await store.accept(acceptance)
    if (accepted.outcome !== 'accepted') return repeated(caller, submission, accepted)
    await deps.point?.('accept.record.after', accepted.operation)
    if (accepted.operation.place === 'worker') enqueue(accepted.operation)
    await deps.point?.('accept.answer.before', accepted.operation)
    return accepted
  }

  /** Nobody waits for it: the record is durable, and what does not get into the queue now is queued by the sweeper. */
  function enqueue(operation: OperationRecord): void {
    const { id, kind, epoch, member } = operation
    const adding = queue
      .add(member, { id, kind, epoch })
      .then(() => deps.point?.('accept.add.after', operation))
      .catch((failure: unknown) => deps.onQueueFailure(failure, operation))
      .finally(() => queueing.delete(adding))
    queueing.add(adding)
  }

  /** The same key with the same request gives the operation it gave before. */
  async function repeated<K extends Kind>(
    caller: Caller,
    submission: Submission<K>,
    refusal: Refusal,
  ): Promise<Submitted> {
    if (refusal.outcome !== 'repeat' || refusal.fingerprint !== idempotency(caller, submission)?.fingerprint)
      return refusal
    const operation = await store.get(refusal.operation)
    return operation === undefined ? refusal : { outcome: 'accepted', operation, repeated: true }
  }

  /** For routes that LXD answers at once although the engine is needed: submits, waits, and throws what failed. */
  async function perform<K extends Kind>(caller: Caller, submission: Submission<K>): Promise<OperationRecord> {
    return finish(await submit(caller, submission))
  }

  /** The operation when it has succeeded; throws what failed, and a timeout with its URL after `ms`: it goes on then. */
  async function finish(operation: OperationRecord, ms: number = SYNC_WAIT): Promise<OperationRecord> {
    const ended = await waits.until(operation.id, ms)
    if (ended === undefined || !isFinal(ended.state))
      throw timedOut('The operation goes on; ask for its result', { operation: `/1.0/operations/${operation.id}` })
    if (ended.state !== 'success') throw new Failure(ended.code === '' ? 'internal' : toCode(ended.code), ended.err)
    return ended
  }

  async function get(caller: Caller, id: string): Promise<OperationRecord> {
    const operation = await store.get(id)
    if (operation !== undefined && maySee(caller, operation)) return operation
    // Who may not see it is told what is told of one that is nowhere.
    throw unknownId(id, deps, clock.now())
  }

  /** The operation when it is final, or as it is after `seconds`; -1 waits as long as the server allows. */
  async function wait(caller: Caller, id: string, seconds: number, signal?: AbortSignal): Promise<OperationRecord> {
    const read = () => get(caller, id)
    if (seconds === 0) return read()
    const bound = seconds < 0 ? waits.longest : Math.min(seconds * 1000, waits.longest)
    return (await waits.until(id, bound, { read, signal })) ?? read()
  }

  /** The same for a stranger who shows the secret in the operation's metadata, as a server does that pushes an image. */
  async function waitBySecret(
    secret: string | undefined,
    id: string,
    seconds: number,
    signal?: AbortSignal,
  ): Promise<OperationRecord> {
    const operation = await store.get(id)
    const own = operation?.class === 'task' ? operation.metadata?.['secret'] : undefined
    if (!secret || typeof own !== 'string' || !isSameText(own, secret)) throw forbidden('not authorized')
    return wait(SERVER, id, seconds, signal)
  }

  async function cancel(caller: Caller, id: string): Promise<void> {
    requireRole(caller, 'operator')
    const operation = await get(caller, id)
    const outcome = await store.cancel(id, { by: caller.requestor, at: clock.now() })
    if (outcome === 'unknown') throw unknownId(id, deps, clock.now())
    if (outcome === 'refused' || outcome === 'final') throw badRequest("This operation can't be cancelled")
    if (outcome === 'cancelled') await queue.drop(operation.member, id).catch(() => undefined)
  }

  /** Unfinished ones and those that ended within five seconds, as LXD lists them. */
  async function list(caller: Caller, project: string | undefined): Promise<OperationRecord[]> {
    const recent = await store.recent(project, clock.now() - LISTED_AFTER_END)
    return recent.filter((operation) => maySee(caller, operation))
  }

  async function history(caller: Caller, query: HistoryQuery): Promise<HistoryPage> {
    const matches = (operation: OperationRecord) => maySee(caller, operation) && query.matches(operation)
    return store.history({ ...query, matches })
  }

  function toAcceptance<K extends Kind>(caller: Caller, submission: Submission<K>): Acceptance {
    const spec = CATALOG[submission.kind]
    return {
      operation: {
        v: 1,
        id: submission.id ?? clock.operationId(),
        kind: submission.kind,
        class: spec.class,
        description: submission.description ?? spec.description,
        project: submission.project,
        member: submission.member,
        place: spec.place,
        input: submission.input,
        resources: submission.resources,
        entity: { type: spec.entity, ...submission.entity },
        requestor: caller.requestor,
        role: caller.role,
        cancellable: spec.cancellable,
        created: clock.now(),
      },
      names: submission.names ?? [],
      busy: submission.busy ?? [],
      changes: submission.changes ?? [],
      idempotency: idempotency(caller, submission),
      secret: submission.secret === undefined ? undefined : JSON.stringify(submission.secret),
      metadata: submission.metadata,
    }
  }

  function idempotency<K extends Kind>(caller: Caller, submission: Submission<K>) {
    if (submission.once !== undefined)
      return { key: `once:${submission.once}`, fingerprint: submission.once, ttl: deps.retention }
    return caller.idempotency && { ...caller.idempotency, ttl: deps.retention }
  }

  /** Resolves when all that was accepted is in the queue, or has failed to get there. */
  async function close(): Promise<void> {
    await Promise.all(queueing)
  }

  return { submit, trySubmit, perform, finish, get, wait, waitBySecret, cancel, list, history, close }
}

/** What a script refused → the Failure the client reads. */
export function toRefusal(refusal: Refusal, taken: string | undefined): Failure {
  switch (refusal.outcome) {
    case 'name-taken':
      return conflict(taken ?? `Name "${refusal.claim.name}" already in use`)
    case 'busy':
      return conflict(`${nounOf(refusal.key)} is busy running a "${refusal.action}" operation`, {
        operation: `/1.0/operations/${refusal.operation}`,
      })
    case 'changed':
      return conflict(`The ${refusal.noun.replace('-', ' ')} was changed by someone else meanwhile; read it again`, {
        retryAfter: 1,
      })
    case 'repeat':
      return unprocessable('This Idempotency-Key was used for another request')
  }
}

function nounOf(key: string): string {
  const noun = key.slice(0, key.indexOf(':')).replace('-', ' ')
  return noun.charAt(0).toUpperCase() + noun.slice(1)
}

function toCode(code: string): Failure['code'] {
  return code as Failure['code'] // written by a worker from a Failure's own code
}

/** 410 for an id that this deployment must have made and has forgotten, 404 for every other one. */
function unknownId(id: string, deps: OperationsDeps, now: number): Failure {
  const made = idTime(id) ?? Number.NaN
  if (made >= deps.birth && made < now - SETTLING)
    return gone(`Operation has expired: it was created ${new Date(made).toISOString()}`)
  return notFound('Operation not found')
}
