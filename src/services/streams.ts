/**
 * Operations that this process carries itself, over websockets, until it has written their end. Each websocket is asked
 * for with a secret of its own, and once; what is asked of another process is for the listener to pass on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OperationRecord } from '../contract/operation-record.ts'
import { badRequest, cancelled, type Failure, forbidden, isFailure, notFound } from '../core/failure.ts'
import { timedOut, toFailure, unavailable } from '../core/failure.ts'
import { isFinal, NOTHING_MORE } from '../core/operation-states.ts'
import type { Clock, Ending, EventBus, Hold, OperationStore, Peers } from '../core/ports.ts'
import { isSameText } from '../core/same-text.ts'
import { whenAborted } from '../core/when-aborted.ts'
import type { ApiKind } from '../operations/catalog.ts'
import { PROCESS_ENDED, withoutSecrets } from '../operations/streams.ts'
import type { Caller } from './caller.ts'
import { type Operations, type Submission, toRefusal } from './operations.ts'
import { type Channel, createSession, type Session } from './stream-session.ts'

export interface StreamsDeps {
  operations: Pick<Operations, 'trySubmit'>
  store: Pick<OperationStore, 'begin' | 'end' | 'get' | 'getMany'>
  bus: Pick<EventBus, 'subscribe'>
  peers: Peers
  clock: Clock
  /** Milliseconds within which the websockets have to come. */
  window: number
  onError(failure: unknown, operation: string): void
}

/** What an operation carries, from the moment on when the websockets it needs are there. */
export interface Stream {
  names: readonly string[]
  needed: readonly string[]
  /** Must end soon after the signal's abort; what it throws is how the operation ends. */
  carry(turn: StreamTurn): Promise<StreamEnd>
}

export interface StreamTurn {
  /** The operation's id. */
  operation: string
  /** Resolves when the websocket of this name has come. */
  channel(name: string): Promise<Channel>
  /** What the end need not wait for: that it failed is only logged. */
  aside(work: Promise<unknown>): void
  signal: AbortSignal
}

export interface StreamEnd {
  /** Added to what was shown from the beginning. */
  metadata: Record<string, unknown>
  failure?: Failure | undefined
}

/** Where the websocket of a secret is to be had. */
export type StreamPlace = { here: true } | { here: false; addresses: string[] }

export type Streams = ReturnType<typeof createStreams>

/** Milliseconds between two looks at what this process carries: a lost event costs one of these. */
const LOOK = 2_000
/** Milliseconds between two tries to write an end. */
const AGAIN = 500
/** Milliseconds that a stopping process waits for its streams. */
const PATIENCE = 2_500
const CANCELLED = 'Operation was cancelled'

export function createStreams(deps: StreamsDeps) {
  const { operations, store, peers, clock } = deps
  const sessions = new Map<string, Session>()
  const carrying = new Set<Promise<void>>()
  const unsubscribe = deps.bus.subscribe((event) => {
    if (sessions.size === 0) return
    if (event.type === 'cancel') sessions.get(event.operation)?.stop(cancelled(CANCELLED))
    if (event.type === 'operation') stopIfOver(event.operation)
  })
  const timer = setInterval(() => void look().catch(() => undefined), LOOK)

  async function look(): Promise<void> {
    if (sessions.size > 0) (await store.getMany([...sessions.keys()])).forEach(stopIfOver)
  }

  function stopIfOver({ id, state, cancel }: OperationRecord): void {
    if (cancel !== null) sessions.get(id)?.stop(cancelled(CANCELLED))
    // Ended by whoever took this process for dead.
    else if (isFinal(state)) sessions.get(id)?.stop(unavailable(PROCESS_ENDED))
  }

  /** The accepted operation, running: it waits for its websockets. */
  async function open<K extends ApiKind>(
    caller: Caller,
    submission: Submission<K>,
    stream: Stream,
  ): Promise<OperationRecord> {
    const session = createSession(stream.names)
    const metadata = { ...submission.metadata, ...(stream.names.length > 0 && { fds: session.secrets }) }
    const submitted = await operations.trySubmit(caller, { ...submission, metadata })
    if (submitted.outcome !== 'accepted') throw toRefusal(submitted, submission.taken)
    const { operation } = submitted
    if (submitted.repeated === true) return operation
    const hold: Hold = { id: operation.id, epoch: operation.epoch, attempt: 1, token: clock.uuid() }
    sessions.set(operation.id, session)
    const begun = await store.begin(hold, peers.self, clock.now()).catch((failure: unknown) => {
      sessions.delete(operation.id)
      throw failure
    })
    if (begun.outcome !== 'begun') {
      sessions.delete(operation.id)
      return (await store.get(operation.id)) ?? operation
    }
    const going = carry({ session, stream, hold, operation: begun.operation })
      .catch((failure: unknown) => deps.onError(failure, operation.id))
      .finally(() => carrying.delete(going))
    carrying.add(going)
    return begun.operation
  }

  interface Carried {
    session: Session
    stream: Stream
    hold: Hold
    operation: OperationRecord
  }

  async function carry({ session, stream, hold, operation }: Carried): Promise<void> {
    const { channel, signal } = session
    let end: StreamEnd
    try {
      await attached(session, stream.needed)
      const aside = (work: Promise<unknown>) => void work.catch((failure) => deps.onError(failure, operation.id))
      end = await stream.carry({ operation: operation.id, channel, aside, signal })
    } catch (thrown) {
      end = { metadata: {}, failure: toFailure(thrown) }
      if (end.failure?.code === 'internal') deps.onError(end.failure.cause ?? end.failure, operation.id)
    }
    session.close()
    await write(hold, toEnding(operation, end))
    sessions.delete(operation.id)
  }

  async function attached({ channel, signal, stop }: Session, needed: readonly string[]): Promise<void> {
    const late = setTimeout(() => stop(timedOut('Timed out waiting for websockets to connect')), deps.window)
    try {
      await Promise.race([Promise.all(needed.map(channel)), whenAborted(signal)])
      signal.throwIfAborted()
    } finally {
      clearTimeout(late)
    }
  }

  /** As often as it takes: while Redis is away nobody else can write it either. */
  async function write(hold: Hold, ending: Omit<Ending, 'at'>): Promise<void> {
    for (;;) {
      try {
        const ended = await store.end(hold, { ...ending, at: clock.now() })
        if (ended === 'cancelling') return await write(hold, { ...ending, ...asFailed(cancelled(CANCELLED)) })
        return
      } catch (failure) {
        deps.onError(failure, hold.id)
        if (!isFailure(failure, 'unavailable', 'timeout')) return
      }
      await sleep(AGAIN, undefined, { ref: false })
    }
  }

  /** Where the websocket is that this secret opens. LXD's words, with statuses that say more than its 500. */
  async function find(id: string, secret: string): Promise<StreamPlace> {
    const session = sessions.get(id)
    if (session?.admits(secret) === true) return { here: true }
    const operation = session === undefined ? await store.get(id) : undefined
    if (session === undefined && operation === undefined) throw notFound('Operation not found')
    if (operation === undefined || !isSecretOf(operation, secret)) throw forbidden('permission denied')
    const addresses = operation.worker === peers.self ? undefined : await peers.find(operation.worker)
    if (addresses === undefined) throw forbidden('permission denied')
    if (addresses.length === 0)
      throw unavailable('The API process that carries this operation cannot be reached from here')
    return { here: false, addresses }
  }

  /** Hands over a websocket that was found to be wanted here; closes it where somebody was quicker. */
  function join(id: string, secret: string, channel: Channel): void {
    if (sessions.get(id)?.join(secret, channel) !== true) channel.close()
  }

  /** Ends what this process carries, within seconds. */
  async function close(): Promise<void> {
    clearInterval(timer)
    unsubscribe()
    for (const session of sessions.values()) session.stop(unavailable(PROCESS_ENDED))
    await Promise.race([Promise.all(carrying), sleep(PATIENCE, undefined, { ref: false })])
  }

  return { open, find, join, close }
}

/** Secrets of one that has ended open nothing. */
function isSecretOf(operation: OperationRecord, secret: string): boolean {
  if (isFinal(operation.state)) return false
  if (operation.class !== 'websocket') throw badRequest('The operation has no websockets')
  return Object.values(Object(operation.metadata?.['fds'])).some((one) => isSameText(String(one), secret))
}

function asFailed(failure: Failure): Pick<Ending, 'state' | 'err' | 'code'> {
  const state = failure.code === 'cancelled' ? 'cancelled' : 'failure'
  return { state, err: failure.message, code: failure.code }
}

function toEnding(operation: OperationRecord, { metadata, failure }: StreamEnd): Omit<Ending, 'at'> {
  return {
    ...NOTHING_MORE,
    ...(failure === undefined ? SUCCESS : asFailed(failure)),
    metadata: { ...withoutSecrets(operation), ...metadata },
  }
}

const SUCCESS = { state: 'success', err: '', code: '' } as const satisfies Partial<Ending>
