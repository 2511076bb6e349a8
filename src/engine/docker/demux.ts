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

/** A sink for the multiplexed stream. It ends both outputs with itself, and destroys them with its error. */
export function createDemux(outputs: DemuxOutputs): Writable {
  const header = Buffer.alloc(HEADER)
  let held = 0
  let kind = STDOUT
  let left = 0
  let errorText = ''

  function consume(chunk: Buffer): Set<Writable> {
    const full = new Set<Writable>()
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        at += takeHeader(chunk, at)
        continue
      }
      const piece = chunk.subarray(at, at + left)
      at += piece.length
      left -= piece.length
      give(piece, full)
    }
    return full
  }

  function takeHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(header, held, at, at + HEADER - held)
    held += taken
    if (held < HEADER) return taken
    held = 0
    kind = header[0] ?? 0
    left = header.readUInt32BE(4)
    if (kind > SYSTEM_ERROR) throw internal('Docker Engine sent a stream that is not multiplexed')
    return taken
  }

  function give(piece: Buffer, full: Set<Writable>): void {
    if (kind === SYSTEM_ERROR) {
      if (errorText.length < MAX_ERROR_TEXT) errorText += piece.toString()
      if (left === 0) throw internal(`Docker Engine broke off a stream: ${errorText.trim()}`)
      return
    }
    const output = kind === STDERR ? outputs.stderr : outputs.stdout
    if (!output.destroyed && !output.write(piece)) full.add(output)
  }

  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        const full = [...consume(chunk)].map(drained)
        if (full.length === 0) done()
        else void Promise.all(full).then(() => done())
      } catch (error) {
        done(error instanceof Error ? error : internal('Reading a stream failed', { cause: error }))
      }
    },
    final(done) {
      outputs.stdout.end()
      outputs.stderr.end()
      done()
    },
    destroy(error, done) {
      if (error !== null) {
        outputs.stdout.destroy(error)
        outputs.stderr.destroy(error)
      }
      done(error)
    },
  })
}

/** Resolves when an output takes more, or is gone. */
function drained(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (!output.writableNeedDrain || output.destroyed) return resolve()
    const over = (): void => {
      output.off('drain', over)
      output.off('close', over)
      resolve()
    }
    output.on('drain', over)
    output.on('close', over)
  })
}
