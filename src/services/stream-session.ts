/** The websockets of one operation: which there are to be, who may join them, and which have come. */
import { randomBytes } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import type { Failure } from '../core/failure.ts'
import { isSameText } from '../core/same-text.ts'

/** One websocket, as the listener hands it over. */
export interface Channel {
  /** The data the client sends; ends with its end mark, or with the connection. */
  readonly input: Readable
  /** Data for the client; its end is told by an end mark. What nobody takes any more goes nowhere. */
  readonly output: Writable
  /** Calls back with each text that is no end mark: what a control channel carries. */
  onText(listener: (text: string) => void): void
  /** Resolves when the connection is gone, whoever has ended it. */
  readonly closed: Promise<void>
  close(): void
}

export interface Session {
  /** Name → secret. */
  readonly secrets: Readonly<Record<string, string>>
  /** Whether this is the secret of a websocket that is still to come. */
  admits(secret: string): boolean
  /** False where somebody was quicker. */
  join(secret: string, channel: Channel): boolean
  /** Resolves when the websocket of this name has come. */
  channel(name: string): Promise<Channel>
  /** Aborts with the failure as which the operation is to end. */
  readonly signal: AbortSignal
  stop(failure: Failure): void
  /** Ends all its websockets; none can join any more. */
  close(): void
}

/** A session for websockets of these names. */
export function createSession(names: readonly string[]): Session {
  const places = names.map((name) => ({
    name,
    secret: randomBytes(32).toString('hex'),
    ...Promise.withResolvers<Channel>(),
  }))
  const open = new Set(places)
  const channels = new Set<Channel>()
  const stopping = new AbortController()
  const find = (secret: string) => [...open].find((place) => isSameText(place.secret, secret))
  return {
    secrets: Object.fromEntries(places.map(({ name, secret }) => [name, secret])),
    admits: (secret) => find(secret) !== undefined,
    join: (secret, channel) => {
      const place = find(secret)
      if (place === undefined) return false
      open.delete(place)
      channels.add(channel)
      place.resolve(channel)
      return true
    },
    channel: (name) => {
      const place = places.find((one) => one.name === name)
      return place === undefined ? Promise.reject(new Error(`There is no websocket ${name}`)) : place.promise
    },
    signal: stopping.signal,
    stop: (failure) => stopping.abort(failure),
    close: () => {
      open.clear()
      for (const channel of channels) channel.close()
    },
  }
}
