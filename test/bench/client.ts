/** A bare HTTP client for measuring: one keep-alive connection to a unix socket, one request in flight, no library's time. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Reply {
  status: number
  text: string
}

export interface BenchClient {
  request(encoded: Buffer): Promise<Reply>
  close(): void
}

/** A request as it goes over the wire; one that is sent often is encoded once. */
export function encodeRequest(method: string, path: string, body?: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body)
  const entity = text === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: windlass\r\n${entity}\r\n${text}`)
}

/**
 * Connects to the socket, again after a pause in which the server has closed it. A reply without a content-length is
 * refused: everything measured here has one.
 */
export async function openClient(socketPath: string): Promise<BenchClient> {
  let { socket, replies } = await connectTo(socketPath)
  return {
    request: async (encoded) => {
      if (socket.closed) ({ socket, replies } = await connectTo(socketPath))
      const reply = replies.next()
      socket.write(encoded)
      return reply
    },
    close: () => socket.destroy(),
  }
}

async function connectTo(socketPath: string): Promise<{ socket: Socket; replies: ReplyReader }> {
  const socket = connect(socketPath)
  await once(socket, 'connect')
  return { socket, replies: new ReplyReader(socket) }
}

/** Puts chunks together until a reply is whole. */
class ReplyReader {
  #chunks: Buffer[] = []
  #held = 0
  #needed = 0
  #status = 0
  #head = 0
  #waiting: PromiseWithResolvers<Reply> | undefined

  constructor(socket: Socket) {
    const fail = (error: Error): void => this.#waiting?.reject(error)
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('The server closed the connection')))
  }

  next(): Promise<Reply> {
    this.#waiting = Promise.withResolvers<Reply>()
    return this.#waiting.promise
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#needed === 0) this.#readHead()
    if (this.#needed === 0 || this.#held < this.#needed) return
    const whole = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const reply = { status: this.#status, text: whole.toString('utf8', this.#head, this.#needed) }
    this.#chunks = []
    this.#held = 0
    this.#needed = 0
    this.#waiting?.resolve(reply)
  }

  #readHead(): void {
    const held = Buffer.concat(this.#chunks)
    const end = held.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = held.toString('latin1', 0, end)
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined && this.#status !== 204)
      this.#waiting?.reject(new Error(`A reply without a length: ${head}`))
    this.#head = end + 4
    this.#needed = this.#head + Number(length ?? 0)
  }
}
