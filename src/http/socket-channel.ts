/** A websocket as the streams of an exec or a console use it: binary frames are data, a text frame ends them. */
import type { WebSocket } from '@fastify/websocket'
import { Readable, Writable } from 'node:stream'
import type { Channel } from '../services/stream-session.ts'

/** Bytes on their way to a client, and from one, before whoever sends them has to wait. */
const BUFFERED = 256 * 1024
/** Texts kept until somebody wants to be told; a client that sends more of them before anything runs loses those. */
const MOST_UNTOLD = 16
/** Milliseconds between two pings: they keep connections through proxies alive. */
const KEEPALIVE = 10_000

/** Takes the websocket over; nothing of it is lost from here on. */
export function openChannel(socket: WebSocket): Channel {
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>()
  let tell: ((text: string) => void) | undefined
  const untold: string[] = []
  const input = new Readable({ highWaterMark: BUFFERED, read: () => socket.resume() })
  let isInputOver = false
  const endInput = (): void => {
    if (!isInputOver) input.push(null)
    isInputOver = true
  }
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) {
      // Of data it is the end whatever it says, as in LXD; a control channel has no data.
      endInput()
      if (tell !== undefined) tell(data.toString())
      else if (untold.length < MOST_UNTOLD) untold.push(data.toString())
    } else if (!isInputOver && !input.push(data)) socket.pause()
  })
  const ping = (): void => socket.ping('keepalive')
  ping()
  const keepalive = setInterval(ping, KEEPALIVE)
  socket.on('error', () => socket.terminate())
  socket.once('close', () => {
    clearInterval(keepalive)
    endInput()
    onClosed()
  })
  return {
    input,
    output: openOutput(socket, closed),
    onText: (listener) => {
      tell = listener
      untold.splice(0).forEach(listener)
    },
    closed,
    close: () => {
      // A paused one would not hear its own end.
      socket.resume()
      socket.close(1000)
    },
  }
}

function openOutput(socket: WebSocket, closed: Promise<void>): Writable {
  const isOpen = (): boolean => socket.readyState === socket.OPEN
  const send = (data: Buffer | string, binary: boolean, done: () => void): void => {
    if (!isOpen()) {
      done()
      return
    }
    let isDone = false
    const once = (): void => {
      if (!isDone) done()
      isDone = true
    }
    socket.send(data, { binary }, once)
    if (socket.bufferedAmount < BUFFERED) once()
    else void closed.then(once)
  }
  return new Writable({
    highWaterMark: BUFFERED,
    write: (chunk: Buffer, _encoding, done) => send(chunk, true, () => done()),
    final: (done) => send('', false, () => done()),
  })
}
