/** What the tarballs of all backups have alike: how files of the engine get into them, and how they are kept. */
import { Readable } from 'node:stream'
import type { PackOptions } from '../../core/backups.ts'
import type { Volumes } from '../../core/engine.ts'
import type { KeptFile } from '../../core/kept-files.ts'
import { inBytes } from './backup-layout.ts'
import { compressed } from './compress.ts'
import { underRoot } from './root-filesystem.ts'
import { readTar } from './tar-reader.ts'
import { inChunks } from './tar-writer.ts'

/** Packs a tar and keeps it; a failed one leaves nothing. */
export async function keepTar(
  putFile: Volumes['putFile'],
  bytes: AsyncGenerator<Buffer>,
  { volume, file, labels, compression }: PackOptions,
  signal?: AbortSignal,
): Promise<KeptFile> {
  const tar = Readable.from(inChunks(bytes), { objectMode: false })
  try {
    const content = compressed(tar, compression)
    return await putFile(volume, file, content, { labels, maxBytes: Number.MAX_SAFE_INTEGER }, signal)
  } finally {
    tar.destroy()
  }
}

/** All of the engine's tar, below `root`. */
export async function* copied(tar: Readable, root: string): AsyncGenerator<Buffer> {
  try {
    // Without an encoding the chunks of a byte stream are Buffers.
    yield* underRoot(readTar(tar as AsyncIterable<Buffer>), inBytes(root))
  } finally {
    tar.destroy()
  }
}
