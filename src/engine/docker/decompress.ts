/** Compressed uploads are unpacked by us, in threads or in a process of their own, and never by the engine. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { compressionOf } from '../../core/compression.ts'
import { Failure, tooLarge, unsupported } from '../../core/failure.ts'
import { damaged } from './tar-reader.ts'

/** A tarball may grow to this, or to `MAX_RATIO` times its size if that is more. */
const FREE = 1024 * 1024 * 1024
const MAX_RATIO = 200
/** Node has no xz of its own; the program is in Debian's xz-utils, and lacks only in the smallest installations. */
const XZ = { program: 'xz', args: ['--decompress', '--stdout', '--quiet', '--memlimit-decompress=256MiB'] }
// The programs' own environment variables must not change what they do.
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin'

/** The plain bytes of a gzip, xz, zstd or uncompressed stream. Calls back with how many bytes of it were read. */
export async function* decompressed(content: Readable, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  let read = 0
  let written = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    // Without an encoding the chunks of a byte stream are Buffers.
    for await (const chunk of content as AsyncIterable<Buffer>) {
      read += chunk.length
      onRead(read)
      yield chunk
    }
  }
  const source = counted()
  try {
    const head = await readHead(source)
    for await (const chunk of unpack(head, source)) {
      written += chunk.length
      if (written > FREE && written > MAX_RATIO * read)
        throw tooLarge(`The tarball unpacks to more than ${MAX_RATIO} times its size`)
      yield chunk
    }
  } catch (error) {
    throw error instanceof Failure ? error : damaged(error instanceof Error ? error.message : 'it cannot be unpacked')
  } finally {
    content.destroy()
  }
}

/** The first bytes, as many as the longest magic has. */
async function readHead(source: AsyncGenerator<Buffer>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length < 6) {
    const next = await source.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  return head
}

function unpack(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  const whole = joined(head, rest)
  switch (compressionOf(head)) {
    case 'gzip':
      return through(whole, createGunzip())
    case 'zstd':
      return through(whole, createZstdDecompress())
    case 'xz':
      return throughXz(whole)
    case 'none':
      return whole
  }
}

async function* joined(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield head
  yield* rest
}

async function* through(source: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  // Errors of the source come out of the transform; pipeline ends both together.
  pipeline(source, transform, () => undefined)
  yield* transform as AsyncIterable<Buffer>
}

async function* throughXz(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const child = spawn(XZ.program, XZ.args, { env: { PATH }, stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'close')
  // Heard here so that an early end does not go unhandled; the loop below meets the same end.
  exited.catch(() => undefined)
  const complaint = buffer(child.stderr).catch(() => Buffer.alloc(0))
  const fed = new Promise<Error | null | undefined>((resolve) => void pipeline(source, child.stdin, resolve))
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const [code] = await exited.catch((error: unknown) => {
      throw unsupported(
        'No program xz was found to unpack it: install xz-utils where the workers run, or use gzip or zstd',
        { cause: error },
      )
    })
    const error = await fed
    if (error instanceof Failure) throw error
    if (code !== 0) throw damaged((await complaint).toString().trim().slice(0, 200) || `xz ended with ${String(code)}`)
  } finally {
    child.kill('SIGKILL')
  }
}
