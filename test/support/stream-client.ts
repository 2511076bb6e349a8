import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import WebSocket from 'ws'
import { fieldOf } from '../../src/setup/api-client.ts'
import type { Operation, TestWindlass } from './windlass.ts'

/** A client's end of one websocket of an exec or a console. */
export interface StreamSocket {
  readonly socket: WebSocket
  /** All data so far. */
  received(): Buffer
  /** Resolves when all data so far satisfy this. */
  until(isEnough: (received: string) => boolean): Promise<string>
  /** Resolves with all data when the server has marked their end. */
  readonly marked: Promise<Buffer>
  /** Resolves with the close code. */
  readonly closed: Promise<number>
  send(data: string | Buffer): void
  /** Marks the end of what is sent. */
  end(): void
}

/** Why a websocket was not opened. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Opens the websocket of a secret at the API process behind a unix socket. */
export async function openStream(path: string, operation: string, secret: string): Promise<StreamSocket> {
  const socket = new WebSocket(`ws+unix:${path}:/1.0/operations/${operation}/websocket?secret=${secret}`)
  const stream = follow(socket)
  const refused = once(socket, 'unexpected-response').then(async ([, answer]) => {
    const response = answer as IncomingMessage // what ws gives with this event
    const body: unknown = JSON.parse(await text(response))
    return new Refused(response.statusCode ?? 0, String(fieldOf(body, 'error')))
  })
  const outcome = await Promise.race([once(socket, 'open'), refused])
  if (outcome instanceof Refused) throw outcome
  return stream
}

function follow(socket: WebSocket): StreamSocket {
  const chunks: Buffer[] = []
  const changed = new EventTarget()
  const marked = Promise.withResolvers<Buffer>()
  const closed = Promise.withResolvers<number>()
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) chunks.push(data)
    else marked.resolve(Buffer.concat(chunks))
    changed.dispatchEvent(new Event('data'))
  })
  socket.on('close', (code) => closed.resolve(code))
  socket.on('error', () => undefined)
  return {
    socket,
    received: () => Buffer.concat(chunks),
    until: async (isEnough) => {
      for (;;) {
        const seen = Buffer.concat(chunks).toString()
        if (isEnough(seen)) return seen
        await once(changed, 'data')
      }
    },
    marked: marked.promise,
    closed: closed.promise,
    send: (data) => socket.send(data, { binary: typeof data !== 'string' }),
    end: () => socket.send('', { binary: false }),
  }
}

/** An exec or a console that was accepted. */
export interface OpenedStreams {
  readonly id: string
  readonly fds: Record<string, string>
  /** Opens the websocket of this name, at the API process that was asked or at another one. */
  open(name: string, path?: string): Promise<StreamSocket>
  /** The operation when it has ended. */
  ended(): Promise<Operation>
}

/** Asks for websockets: `exec` with a command, or `console`. */
export async function askStreams(
  windlass: TestWindlass,
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<OpenedStreams> {
  const accepted = await windlass.call('POST', path, body, headers)
  if (accepted.status !== 202) throw new Refused(accepted.status, String(fieldOf(accepted.body, 'error')))
  const operation = fieldOf(accepted.body, 'metadata') as Operation // the wire's shape is checked by the API's own tests
  const fds = operation.metadata?.['fds'] as Record<string, string> // the wire's shape is checked where it matters
  return {
    id: operation.id,
    fds,
    open: (name, at = windlass.socket) => openStream(at, operation.id, fds[name] ?? ''),
    ended: () => windlass.ended(accepted),
  }
}
