/**
 * Streams of unknown length kept as files of a volume. A tar entry needs its length in front, so a stream is cut into
 * parts, and an entry that sorts before them, written last, says that all of them are there.
 */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { KeptFile, VolumeDetail, Volumes } from '../../core/engine.ts'
import { badRequest, Failure, internal, tooLarge } from '../../core/failure.ts'
import { count, fields, text } from './read.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { inChunks, newEntry, TAR_END, tarFile, tarHeader, tarPadding } from './tar-writer.ts'

/** What is in memory of one stream at a time. */
const PART = 16 * 1024 * 1024
/** A slow stream is cut earlier, milliseconds: the call to the engine is given up when nothing moves for long. */
const PART_WITHIN = 15_000
// Engines pack a directory in the order of its names, and a dot comes before every digit.
const MANIFEST = '.kept'
/** Up to so many bytes are kept in the volume's own label: most commands say less, and no helper has to be made. */
const SMALL = 4096

/** The part of the volumes that a spool is made of. */
export type SpoolVolumes = Pick<Volumes, 'create' | 'inspect' | 'write' | 'read' | 'remove'>

/** `putFile` and `getFile` over the plain reading and writing of volumes. */
export function createSpool(volumes: SpoolVolumes): Pick<Volumes, 'putFile' | 'getFile'> {
  const putFile: Volumes['putFile'] = async (name, file, content, ...[options, signal]) => {
    const { labels, maxBytes } = options
    // A sender that leaves before its first byte is asked for is met by the loop below, and must not end the process.
    content.on('error', () => undefined)
    const kept: Keeping = { size: 0, hash: createHash('sha256'), maxBytes }
    const source = counted(content, kept)
    const head = await headOf(source)
    const isNew = (await volumes.inspect(name, signal)) === undefined
    if (head.isWhole && isNew && labels.origin === '') {
      const origin = JSON.stringify({ file, content: Buffer.concat(head.chunks).toString('base64') })
      await volumes.create(name, { ...labels, origin }, signal)
      return keptFile(kept)
    }
    if (isNew) await volumes.create(name, labels, signal)
    const parts = partsOf(file, chained(head.chunks, source), () => keptFile(kept))
    const tar = Readable.from(inChunks(parts), { objectMode: false })
    try {
      await volumes.write(name, tar, { ...labels, role: 'helper' }, signal)
    } catch (failure) {
      if (isNew) await volumes.remove(name).catch(() => undefined)
      throw failure
    }
    return keptFile(kept)
  }

  const getFile: Volumes['getFile'] = async (name, file, labels, signal) => {
    // A container with a volume that is not there would make it.
    const volume = await volumes.inspect(name, signal)
    if (volume === undefined) return undefined
    const small = smallOf(volume, file)
    if (small !== undefined) return { size: small.length, content: Readable.from([small], { objectMode: false }) }
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

interface Keeping {
  size: number
  readonly hash: Hash
  readonly maxBytes: number
}

function keptFile({ size, hash }: Keeping): KeptFile {
  return { size, sha256: hash.copy().digest('hex') }
}

/** The content is left open where it fails: it may be a request that is still to be answered. */
async function* counted(content: Readable, kept: Keeping): AsyncGenerator<Buffer> {
  try {
    // Without an encoding the chunks of a byte stream are Buffers.
    for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      kept.hash.update(chunk)
      kept.size += chunk.length
      if (kept.size > kept.maxBytes) throw tooLarge(`More than ${kept.maxBytes} bytes were sent`)
      yield chunk
    }
  } catch (error) {
    throw error instanceof Failure ? error : badRequest('The upload was broken off', { cause: error })
  }
}

/** What comes first, until it is clear whether it is all. */
async function headOf(source: AsyncGenerator<Buffer>): Promise<{ chunks: Buffer[]; isWhole: boolean }> {
  const chunks: Buffer[] = []
  for (let size = 0; size <= SMALL;) {
    const next = await source.next()
    if (next.done === true) return { chunks, isWhole: true }
    chunks.push(next.value)
    size += next.value.length
  }
  return { chunks, isWhole: false }
}

async function* chained(chunks: Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks
  yield* rest
}

function smallOf(volume: VolumeDetail, file: string): Buffer | undefined {
  const origin = volume.own?.origin ?? ''
  const kept = origin === '' ? {} : fields(JSON.parse(origin))
  return kept.file === file && typeof kept.content === 'string' ? Buffer.from(kept.content, 'base64') : undefined
}

async function* partsOf(file: string, content: AsyncIterable<Buffer>, kept: () => KeptFile): AsyncGenerator<Buffer> {
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
  for await (const chunk of content) {
    part.push(chunk)
    size += chunk.length
    if (size >= PART || performance.now() - since > PART_WITHIN) yield* takePart()
  }
  if (size > 0) yield* takePart()
  yield tarFile(`${file}/${MANIFEST}`, Buffer.from(JSON.stringify(kept())))
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
