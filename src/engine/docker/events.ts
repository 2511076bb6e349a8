/** The engine's events, over lost connections. They are hints: after each new connection everything is listed again. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineEvent } from '../../core/engine.ts'
import { unavailable } from '../../core/failure.ts'
import { readLines } from './ndjson.ts'
import { count, fields, type Fields, text, textMap } from './read.ts'
import type { Wire } from './engine-wire.ts'

type Handlers = Parameters<Engine['watch']>[0]

const TYPES: readonly EngineEvent['type'][] = ['container', 'image', 'network', 'volume']

/** Milliseconds before a new connection is tried, doubled each time up to the second. */
const FIRST_DELAY = 100
const LAST_DELAY = 5_000

/** Calls back until the signal comes; then resolves. */
export async function watch(wire: Wire, handlers: Handlers, signal: AbortSignal): Promise<void> {
  let wait = FIRST_DELAY
  const connected = (): void => {
    wait = FIRST_DELAY
    handlers.onConnect()
  }
  while (!signal.aborted) {
    const failure = await readEvents(wire, { ...handlers, onConnect: connected }, signal)
    if (signal.aborted) return
    handlers.onLost(failure)
    await delay(wait, undefined, { signal }).catch(() => undefined)
    wait = Math.min(wait * 2, LAST_DELAY)
  }
}

/** One connection; why it ended. */
async function readEvents(
  wire: Wire,
  handlers: Pick<Handlers, 'onConnect' | 'onEvent'>,
  signal: AbortSignal,
): Promise<Error> {
  try {
    // The engine may have come back as another version.
    wire.forget()
    const lines = readLines(await openEvents(wire, { type: TYPES }, signal))
    handlers.onConnect()
    for await (const line of lines) {
      const event = toEngineEvent(line)
      if (event !== undefined) handlers.onEvent(event)
    }
    return unavailable(`Docker Engine of member "${wire.member}" ended its events`)
  } catch (error) {
    return error instanceof Error ? error : new Error('Reading events failed', { cause: error })
  }
}

/** The endless answer of `GET /events`. */
export function openEvents(wire: Wire, filters: Fields, signal: AbortSignal) {
  const request = { doing: 'reading events', method: 'GET', path: '/events' } as const
  // Nothing may happen for days, so no idle time; the answer's head still has to come.
  return wire.stream({ ...request, query: { filters: JSON.stringify(filters) }, signal, isBlocking: true }, 0)
}

/** An event's line; undefined for types that are not ours, and for execs (their events hold whole command lines). */
export function toEngineEvent(line: Fields): EngineEvent | undefined {
  const type = TYPES.find((known) => known === line.Type)
  const action = text(line.Action)
  if (type === undefined || action.startsWith('exec_')) return undefined
  const actor = fields(line.Actor)
  const attributes = textMap(actor.Attributes)
  const exitCode = Number.parseInt(attributes.exitCode ?? '', 10)
  return {
    type,
    action,
    id: text(actor.ID),
    at: Math.floor(count(line.timeNano) / 1e6) || count(line.time) * 1000,
    exitCode: Number.isNaN(exitCode) ? undefined : exitCode,
    attributes,
  }
}
