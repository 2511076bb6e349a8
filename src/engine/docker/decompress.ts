/** Compressed uploads are unpacked by us, in threads or in a process of their own, and never by the engine. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { compressionOf } from '../../core/compression.ts'
import { Failure, tooLarge, unsupported } from '../../core/failure.ts'
import { chained, letGo } from './chunks.ts'
import { keepAside } from './scratch.ts'
import { damaged } from './tar-reader.ts'

/** A tarball may grow to this, or to `MAX_RATIO` times its size if that is more. */
const FREE = 1024 * 1024 * 1024
const MAX_RATIO = 200
/** Milliseconds that a program may take for what lies there whole. */
const LONGEST = 1_800_000

interface Program {
  program: string
  args: readonly string[]
  /** Debian's package. */
  of: string
}

const LIMIT = '--memlimit-decompress=256MiB'
/** What Node has no code for; all are in Debian, and but for the last lack only in the smallest installations. */
const PROGRAMS = {
  xz: { program: 'xz', args: ['--decompress', '--stdout', '--quiet', LIMIT], of: 'xz-utils' },
  lzma: { program: 'xz', args: ['--decompress', '--stdout', '--quiet', '--format=lzma', LIMIT], of: 'xz-utils' },
  bzip2: { program: 'bzip2', args: ['--decompress', '--stdout', '--quiet'], of: 'bzip2' },
  squashfs: { program: 'sqfs2tar', args: ['--no-skip', '/dev/stdin'], of: 'squashfs-tools-ng' },
} as const
const PACKERS = {
  xz: { program: 'xz', args: ['--compress', '--stdout', '--quiet', '-0'], of: 'xz-utils' },
  lzma: { program: 'xz', args: ['--compress', '--stdout', '--quiet', '--format=lzma', '-0'], of: 'xz-utils' },
  bzip2: { program: 'bzip2', args: ['--compress', '--stdout', '--quiet'], of: 'bzip2' },
} as const
// The programs' own environment variables must not change what they do.
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin'

/** The plain bytes of a stream, however it is packed; of a squashfs a tar of its files. Calls back with how many bytes of it were read. */
export async function* decompressed(
  content: Readable,
  onRead: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
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
    for await (const chunk of unpack(head, source, signal)) {
      written += chunk.length
      if (written > FREE && written > MAX_RATIO * read)
        throw tooLarge(`The tarball unpacks to more than ${MAX_RATIO} times its size`)
      yield chunk
    }
  } catch (error) {
    throw error instanceof Failure ? error : damaged(error instanceof Error ? error.message : 'it cannot be unpacked')
  } finally {
    await letGo(content)
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

function unpack(head: Buffer, rest: AsyncGenerator<Buffer>, signal?: AbortSignal): AsyncIterable<Buffer> {
  const whole = chained([head], rest)
  const compression = compressionOf(head)
  switch (compression) {
    case 'gzip':
      return through(whole, createGunzip())
    case 'zstd':
      return through(whole, createZstdDecompress())
    case 'xz':
    case 'lzma':
    case 'bzip2':
      return throughProgram(whole, PROGRAMS[compression])
    case 'squashfs':
      return throughFile(whole, PROGRAMS.squashfs, signal)
    case 'none':
      return whole
  }
}

async function* through(source: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  // Errors of the source come out of the transform; pipeline ends both together.
  pipeline(source, transform, () => undefined)
  yield* transform as AsyncIterable<Buffer>
}

/** What a program of the host packs. Unsupported where there is none. */
export function packedByProgram(plain: AsyncIterable<Buffer>, packer: keyof typeof PACKERS): AsyncGenerator<Buffer> {
  return throughProgram(plain, PACKERS[packer])
}

async function* throughProgram(source: AsyncIterable<Buffer>, unpacker: Program): AsyncGenerator<Buffer> {
  const child = spawn(unpacker.program, unpacker.args, { env: { PATH }, stdio: ['pipe', 'pipe', 'pipe'] })
  const fed = new Promise<Error | null | undefined>((resolve) => void pipeline(source, child.stdin, resolve))
  yield* saidBy(child, unpacker, fed)
}

/** It is kept aside while it is read: the program goes back and forth in it, and sees no end of the source. */
async function* throughFile(
  source: AsyncIterable<Buffer>,
  unpacker: Program,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  await using scratch = await keepAside(source)
  const { program, args } = unpacker
  const bounds = { timeout: LONGEST, killSignal: 'SIGKILL', ...(signal !== undefined && { signal }) } as const
  const child = spawn(program, args, { env: { PATH }, stdio: [scratch.descriptor, 'pipe', 'pipe'], ...bounds })
  yield* saidBy(child, unpacker, Promise.resolve(undefined))
}

async function* saidBy(
  child: ChildProcess,
  { program, of }: Program,
  fed: Promise<Error | null | undefined>,
): AsyncGenerator<Buffer> {
  const { stdout, stderr } = child
  const exited = once(child, 'close')
  // Heard here so that an early end does not go unhandled; the loop below meets the same end.
  exited.catch(() => undefined)
  const complaint = stderr === null ? undefined : buffer(stderr).catch(() => undefined)
  try {
    if (stdout !== null) yield* stdout as AsyncIterable<Buffer>
    const [code] = await exited.catch((error: unknown) => {
      throw unsupported(`No program ${program} was found: install ${of} where the workers run, or use gzip or zstd`, {
        cause: error,
      })
    })
    const error = await fed
    if (error instanceof Failure) throw error
    if (code !== 0)
      throw damaged((await complaint)?.toString().trim().slice(0, 200) || `${program} ended with ${String(code)}`)
  } finally {
    child.kill('SIGKILL')
  }
}
