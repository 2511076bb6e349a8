/** Bytes kept aside on this process's disk, in a file without a name: nothing is left of it, however the process ends. */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tooLarge } from '../../core/failure.ts'

export interface Scratch extends AsyncDisposable {
  readonly size: number
  /** For a program of its own: the open file. */
  readonly descriptor: number
  /** Too-large above 8 GiB and where there is no room. */
  add(chunk: Buffer): Promise<void>
  /** All of it from the beginning, in large pieces. */
  read(): AsyncGenerator<Buffer>
}

const PIECE = 256 * 1024
/** Most bytes of one stream; nobody may fill the disk by being slow. */
const MOST = 8 * 1024 ** 3

/** One in the system's temporary directory; too-large where it has no room. */
async function openScratch(): Promise<Scratch> {
  const path = join(tmpdir(), `windlass-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600).catch(noRoom)
  await rm(path)
  let size = 0
  return {
    get size() {
      return size
    },
    descriptor: file.fd,
    add: async (chunk) => {
      if (size + chunk.length > MOST) throw tooLarge(`More than ${MOST / 1024 ** 3} GiB are not kept aside`)
      await file.writev([chunk]).catch(noRoom)
      size += chunk.length
    },
    async *read() {
      for (let at = 0; at < size;) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, at)
        yield buffer.subarray(0, bytesRead)
        at += bytesRead
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** All of it, to its end. */
export async function keepAside(source: AsyncIterable<Buffer>): Promise<Scratch> {
  const scratch = await openScratch()
  try {
    for await (const chunk of source) await scratch.add(chunk)
    return scratch
  } catch (failure) {
    await scratch[Symbol.asyncDispose]()
    throw failure
  }
}

function noRoom(cause: unknown): never {
  throw tooLarge('The server has no room to keep a file aside; make room in its temporary directory', { cause })
}
