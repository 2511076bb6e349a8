/**
 * Streams of unknown length kept as files of a volume. A tar entry needs its length in front, so a stream is cut into
 * parts, and an entry that sorts before them, written last, says that all of them are there.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { KeptFile, Volumes } from '../../core/engine.ts'
import { internal, tooLarge } from '../../core/failure.ts'
import { count, fields, text } from './read.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { inChunks, newEntry, TAR_END, tarFile, tarHeader, tarPadding } from './tar-writer.ts'

/** What is in memory of one stream at a time. */
const PART = 16 * 1024 * 1024
/** A slow stream is cut earlier, milliseconds: the call to the engine is given up when nothing moves for long. */
const PART_WITHIN = 15_000
// Engines pack a directory in the order of its names, and a dot comes before every digit.
const MANIFEST = '.kept'

/** The part of the volumes that a spool is made of. */
export type SpoolVolumes = Pick<Volumes, 'create' | 'inspect' | 'write' | 'read' | 'remove'>

/** `putFile` and `getFile` over the plain reading and writing of volumes. */
export function createSpool(volumes: SpoolVolumes): Pick<Volumes, 'putFile' | 'getFile'> {
  const putFile: Volumes['putFile'] = async (name, file, content, ...[options, signal]) => {
    const { labels, maxBytes } = options
    // A sender that leaves before its first byte is asked for is met by the loop below, and must not end the process.
    content.on('error', () => undefined)
    const isNew = (await volumes.inspect(name, signal)) === undefined
    if (isNew) await volumes.create(name, labels, signal)
    const kept: KeptFile = { size: 0, sha256: '' }
    const tar = Readable.from(inChunks(partsOf(file, content, maxBytes, kept)), { objectMode: false })
    try {
      await volumes.write(name, tar, { ...labels, role: 'helper' }, signal)
    } catch (failure) {
      if (isNew) await volumes.remove(name).catch(() => undefined)
      throw failure
    }
    return kept
  }

  const getFile: Volumes['getFile'] = async (name, file, labels, signal) => {
    // A container with a volume that is not there would make it.
    if ((await volumes.inspect(name, signal)) === undefined) return undefined
    const stream = await volumes.read(name, { ...labels, role: 'helper' }, signal)
    const entries = readTar(stream)
    const kept = await manifestOf(entries, file)
    if (kept === undefined) return undefined
    const content = Readable.from(contentOf(entries, file, kept.size), { objectMode: false })
    // One that is dropped before its first byte never starts what would close the volume.
    content.once('close', () => stream.destroy())
    return { size: kept.size, content }
  }

  return { putFile, getFile }
}

/** Fills `kept` on the way. The content is left open where it fails: it may be a request that is still to be answered. */
async function* partsOf(file: string, content: Readable, maxBytes: number, kept: KeptFile): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  let parts = 0
  let part: Buffer[] = []
  let size = 0
  let since = performance.now()
  function* takePart(): Generator<Buffer> {
    parts += 1
    yield tarHeader(newEntry(`${file}/${String(parts).padStart(8, '0')}`, 'file', size))
    yield* part
    yield tarPadding(size)
    part = []
    size = 0
    since = performance.now()
  }
  yield tarHeader(newEntry(file, 'directory', 0))
  // Without an encoding the chunks of a byte stream are Buffers.
  for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    kept.size += chunk.length
    if (kept.size > maxBytes) throw tooLarge(`More than ${maxBytes} bytes were sent`)
    part.push(chunk)
    size += chunk.length
    if (size >= PART || performance.now() - since > PART_WITHIN) yield* takePart()
  }
  if (size > 0) yield* takePart()
  kept.sha256 = hash.digest('hex')
  yield tarFile(`${file}/${MANIFEST}`, Buffer.from(JSON.stringify(kept)))
  yield TAR_END
}

async function manifestOf(entries: AsyncGenerator<TarEntry>, file: string): Promise<KeptFile | undefined> {
  for (;;) {
    const next = await entries.next()
    if (next.done === true) return undefined
    if (plainName(next.value.name) !== `${file}/${MANIFEST}`) continue
    const chunks: Buffer[] = []
    for await (const chunk of next.value.body()) chunks.push(chunk)
    const manifest = fields(JSON.parse(Buffer.concat(chunks).toString()))
    return { size: count(manifest.size), sha256: text(manifest.sha256) }
  }
}

async function* contentOf(entries: AsyncGenerator<TarEntry>, file: string, size: number): AsyncGenerator<Buffer> {
  let left = size
  let last = ''
  for await (const entry of entries) {
    const name = plainName(entry.name)
    if (entry.type !== 'file' || !name.startsWith(`${file}/`)) continue
    if (name <= last) throw internal(`The parts of ${file} are not in order`)
    last = name
    left -= entry.size
    yield* entry.body()
  }
  if (left !== 0) throw internal(`${file} was kept with ${size} bytes and has ${size - left}`)
}

function plainName(name: string): string {
  return name.replace(/^(\.?\/)+/, '')
}
