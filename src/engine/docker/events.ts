/** The engine's events, over lost connections. They are hints: after each new connection everything is listed again. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineEvent } from '../../core/engine.ts'
import { unavailable } from '../../core/failure.ts'
import { readLines } from './ndjson.ts'
import { count, fields, type Fields, text, textMap } from './read.ts'
import type { Wire } from './wire.ts'

const TYPES: readonly EngineEvent['type'][] = ['container', 'image', 'network', 'volume']

/** Milliseconds before a new connection is tried, doubled each time up to the second. */
const FIRST_DELAY = 100
const LAST_DELAY = 5_000

/** Calls back until the signal comes; then resolves. */
export async function watch(wire: Wire, handlers: Parameters<Engine['watch']>[0], signal: AbortSignal): Promise<void> {
  let wait = FIRST_DELAY
  while (!signal.aborted) {
    try {
      // The engine may have come back as another version.
      wire.forget()
      const lines = readLines(await openEvents(wire, { type: TYPES }, signal))
      wait = FIRST_DELAY
      handlers.onConnect()
      for await (const line of lines) {
        const event = toEngineEvent(line)
        if (event !== undefined) handlers.onEvent(event)
      }
      throw unavailable(`Docker Engine of member "${wire.member}" ended its events`)
    } catch (error) {
      if (signal.aborted) return
      handlers.onLost(error instanceof Error ? error : new Error('Reading events failed', { cause: error }))
    }
    await delay(wait, undefined, { signal }).catch(() => undefined)
    wait = Math.min(wait * 2, LAST_DELAY)
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
