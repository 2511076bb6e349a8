/**
 * Takes apart what an engine sends of a container without a terminal: frames of eight bytes (kind, three zeros, length)
 * and a body. Any container can send any frames: nothing is assembled, nothing recurses, and both sides are waited for.
 */
import { Writable } from 'node:stream'
import { internal } from '../../core/failure.ts'

const HEADER = 8
const STDOUT = 1
const STDERR = 2
/** The engine's own error, in the place of output. */
const SYSTEM_ERROR = 3
const MAX_ERROR_TEXT = 4_096

/** Where bodies go. The two may be one stream. */
export interface DemuxOutputs {
  stdout: Writable
  stderr: Writable
}

type Done = (error?: Error | null) => void

/** The sink for a multiplexed stream. It ends both outputs with itself, and destroys them with its error. */
export class Demux extends Writable {
  readonly #outputs: DemuxOutputs
  readonly #header = Buffer.alloc(HEADER)
  #held = 0
  #kind = STDOUT
  #left = 0
  #errorText = ''

  constructor(outputs: DemuxOutputs) {
    super()
    this.#outputs = outputs
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    const full = new Set<Writable>()
    try {
      for (let at = 0; at < chunk.length;) {
        at += this.#left === 0 ? this.#takeHeader(chunk, at) : this.#passBody(chunk, at, full)
      }
    } catch (error) {
      done(error instanceof Error ? error : internal('Reading a stream failed', { cause: error }))
      return
    }
    whenDrained(full, done)
  }

  override _final(done: Done): void {
    this.#outputs.stdout.end()
    this.#outputs.stderr.end()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    if (error !== null) {
      this.#outputs.stdout.destroy(error)
      this.#outputs.stderr.destroy(error)
    }
    done(error)
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#held, at, at + HEADER - this.#held)
    this.#held += taken
    if (this.#held < HEADER) return taken
    this.#held = 0
    this.#kind = this.#header[0] ?? 0
    this.#left = this.#header.readUInt32BE(4)
    if (this.#kind > SYSTEM_ERROR) throw internal('Docker Engine sent a stream that is not multiplexed')
    return taken
  }

  #passBody(chunk: Buffer, at: number, full: Set<Writable>): number {
    const piece = chunk.subarray(at, at + this.#left)
    this.#left -= piece.length
    if (this.#kind === SYSTEM_ERROR) this.#takeError(piece)
    else {
      const output = this.#kind === STDERR ? this.#outputs.stderr : this.#outputs.stdout
      if (!output.destroyed && !output.write(piece)) full.add(output)
    }
    return piece.length
  }

  #takeError(piece: Buffer): void {
    if (this.#errorText.length < MAX_ERROR_TEXT) this.#errorText += piece.toString()
    if (this.#left === 0) throw internal(`Docker Engine broke off a stream: ${this.#errorText.trim()}`)
  }
}

/** Calls back when all of these take more, or are gone. */
function whenDrained(full: ReadonlySet<Writable>, done: Done): void {
  const waiting = [...full].filter((output) => output.writableNeedDrain && !output.destroyed)
  let left = waiting.length
  if (left === 0) {
    done()
    return
  }
  for (const output of waiting) {
    const over = (): void => {
      output.off('drain', over)
      output.off('close', over)
      left--
      if (left === 0) done()
    }
    output.on('drain', over)
    output.on('close', over)
  }
}
