/** `multipart/form-data` as it comes (RFC 7578): part after part, none of them kept. */
import { Readable } from 'node:stream'
import { badRequest, Failure } from './failure.ts'

export interface Part {
  name: string
  filename: string
  /** What is not read of it is skipped when the next part is asked for. */
  content: Readable
}

const MAX_HEAD = 16 * 1024
const LINE_END = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

/** A part to send; it is opened when the one before it has been sent. */
export interface Outgoing {
  name: string
  open(): Promise<{ filename: string; content: Readable }>
}

/** Such a body. */
export function multipartOf(parts: Outgoing[], boundary: string): Readable {
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for (const { name, open } of parts) {
      const { filename, content } = await open()
      const disposition = `form-data; name="${name}"; filename="${plainName(filename)}"`
      const type = 'Content-Type: application/octet-stream'
      yield Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${type}\r\n\r\n`)
      // Without an encoding the chunks of a byte stream are Buffers.
      yield* content as AsyncIterable<Buffer>
      yield Buffer.from('\r\n')
    }
    yield Buffer.from(`--${boundary}--\r\n`)
  }
  return Readable.from(bytes(), { objectMode: false })
}

/** Names are fingerprints, logs and the like; anything else must not break a header. */
export function plainName(filename: string): string {
  return filename.replace(/[^-\w.]/g, '_')
}

/** The boundary of such a body; undefined for any other content type. Bad-request where it says none. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType?.toLowerCase().startsWith('multipart/form-data') !== true) return undefined
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw badRequest('The multipart body has no boundary')
  return boundary
}

/** The body is left open where it is refused half-way. Bad-request for one that is damaged or ends too early. */
export async function* partsOf(body: Readable, boundary: string): AsyncGenerator<Part> {
  const bytes = new Bytes(body)
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  await bytes.skip(delimiter, MAX_HEAD)
  while (!(await bytes.isLast())) {
    const head = await bytes.head()
    const name = /;\s*name="([^"]*)"/i.exec(head)?.[1] ?? ''
    const filename = /;\s*filename="([^"]*)"/i.exec(head)?.[1] ?? ''
    const inside = bytes.until(delimiter)
    yield { name, filename, content: Readable.from(inside, { objectMode: false }) }
    // A reader that stopped has closed the generator; what is left is skipped up to the next delimiter.
    if (!bytes.isAfterDelimiter) await bytes.skip(delimiter)
  }
}

class Bytes {
  readonly #source: AsyncIterator<Buffer>
  // The first delimiter has no line in front of it.
  #held: Buffer = LINE_END
  isAfterDelimiter = false

  constructor(body: Readable) {
    // Without an encoding the chunks of a byte stream are Buffers.
    const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    this.#source = chunks[Symbol.asyncIterator]()
  }

  /** Everything up to the delimiter, which is taken too; `most` bytes at most. */
  async *until(delimiter: Buffer, most = Number.MAX_SAFE_INTEGER): AsyncGenerator<Buffer> {
    this.isAfterDelimiter = false
    for (let given = 0; ;) {
      const at = this.#held.indexOf(delimiter)
      // The end of what is held may be the beginning of a delimiter.
      const end = at >= 0 ? at : Math.max(0, this.#held.length - delimiter.length + 1)
      const piece = this.#held.subarray(0, end)
      given += end
      if (given > most) throw badRequest('The multipart body does not begin with its boundary')
      this.#held = this.#held.subarray(at >= 0 ? at + delimiter.length : end)
      this.isAfterDelimiter = at >= 0
      if (piece.length > 0) yield piece
      if (at >= 0) return
      await this.#more()
    }
  }

  async skip(delimiter: Buffer, most?: number): Promise<void> {
    const rest = this.until(delimiter, most)
    while ((await rest.next()).done !== true);
  }

  /** After a delimiter: whether it was the last one. */
  async isLast(): Promise<boolean> {
    while (this.#held.length < 2) await this.#more()
    return this.#held.subarray(0, 2).toString() === '--'
  }

  /** A part's header. */
  async head(): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(HEAD_END)
      if (at > MAX_HEAD || (at < 0 && this.#held.length > MAX_HEAD)) throw badRequest('A part has too large a header')
      if (at < 0) {
        await this.#more()
        continue
      }
      const head = this.#held.subarray(0, at).toString()
      this.#held = this.#held.subarray(at + HEAD_END.length)
      return head
    }
  }

  async #more(): Promise<void> {
    const next = await this.#source.next().catch((cause: unknown) => {
      throw cause instanceof Failure ? cause : badRequest('The upload was broken off', { cause })
    })
    if (next.done === true) throw badRequest('The upload ends before its last part does')
    this.#held = Buffer.concat([this.#held, next.value])
  }
}
