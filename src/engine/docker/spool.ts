/**
 * Streams of unknown length kept as files of a volume. A tar entry needs its length in front, so a stream is cut into
 * parts, and a manifest, written last, says that all of them are there. Each part is a call of its own: a container is
 * locked while one lasts, and whoever sends or reads the stream may take hours.
 */
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { OwnLabels } from '../../core/container.ts'
import type { VolumeDetail, Volumes } from '../../core/engine.ts'
import type { KeptFile } from '../../core/kept-files.ts'
import { badRequest, Failure, internal, tooLarge } from '../../core/failure.ts'
import { chained, consumed } from './chunks.ts'
import { count, fields } from './read.ts'
import { readTar } from './tar-reader.ts'
import { newEntry, TAR_END, tarFile, tarHeader, tarPadding } from './tar-writer.ts'
import type { OpenVolume } from './volume-files.ts'
import { unlocking } from './unlocking.ts'
import type { PlainVolumes } from './volumes.ts'

/** What is in memory of one stream at a time. */
const PART = 16 * 1024 * 1024
const MANIFEST = '.kept'
/** Up to so many bytes are kept in the volume's own label: most commands say less, and no helper has to be made. */
const SMALL = 4096

/** The part of the volumes that a spool is made of. */
export type SpoolVolumes = Pick<PlainVolumes, 'create' | 'inspect' | 'open' | 'remove'>

/** `putFile` and `getFile` over the plain reading and writing of volumes. */
export function createSpool(volumes: SpoolVolumes): Pick<Volumes, 'putFile' | 'getFile'> {
  const open = (name: string, labels: OwnLabels, signal?: AbortSignal): Promise<OpenVolume> =>
    volumes.open(name, { ...labels, role: 'helper' }, signal)

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
    try {
      await using volume = await open(name, labels, signal)
      await writeParts(volume, file, chained(head.chunks, source), kept)
    } catch (failure) {
      if (isNew) await volumes.remove(name).catch(() => undefined)
      throw failure
    }
    return keptFile(kept)
  }

  const getFile: Volumes['getFile'] = async (name, file, labels, signal) => {
    // A container with a volume that is not there would make it.
    const found = await volumes.inspect(name, signal)
    if (found === undefined) return undefined
    const small = smallOf(found, file)
    if (small !== undefined) return { size: small.length, content: Readable.from([small], { objectMode: false }) }
    const volume = await open(name, labels, signal)
    try {
      const size = await sizeIn(volume, file)
      if (size !== undefined) return { size, content: streamOf(volume, file, size) }
    } catch (failure) {
      await volume[Symbol.asyncDispose]()
      throw failure
    }
    await volume[Symbol.asyncDispose]()
    return undefined
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

function smallOf(volume: VolumeDetail, file: string): Buffer | undefined {
  const origin = volume.own?.origin ?? ''
  const kept = origin === '' ? {} : fields(JSON.parse(origin))
  return kept.file === file && typeof kept.content === 'string' ? Buffer.from(kept.content, 'base64') : undefined
}

/** Each part in a call of its own, the first one with their folder and the last one with the manifest. */
async function writeParts(
  volume: OpenVolume,
  file: string,
  content: AsyncIterable<Buffer>,
  kept: Keeping,
): Promise<void> {
  let parts = 0
  let part: Buffer[] = []
  let size = 0
  const write = async (...last: Buffer[]): Promise<void> => {
    const blocks = parts === 0 ? [tarHeader(newEntry(file, 'directory', 0))] : []
    if (size > 0) blocks.push(tarHeader(newEntry(partOf(file, ++parts), 'file', size)), ...part, tarPadding(size))
    await volume.write(Readable.from([...blocks, ...last, TAR_END], { objectMode: false }))
    part = []
    size = 0
  }
  for await (const chunk of content) {
    part.push(chunk)
    size += chunk.length
    if (size >= PART) await write()
  }
  await write(tarFile(`${file}/${MANIFEST}`, Buffer.from(JSON.stringify(keptFile(kept)))))
}

const partOf = (file: string, number: number): string => `${file}/${String(number).padStart(8, '0')}`

/** As the manifest says; undefined where there is none. */
async function sizeIn(volume: OpenVolume, file: string): Promise<number | undefined> {
  const manifest: Buffer[] = []
  for await (const chunk of contentOf(volume, `${file}/${MANIFEST}`)) manifest.push(chunk)
  return manifest.length === 0 ? undefined : count(fields(JSON.parse(Buffer.concat(manifest).toString())).size)
}

/** The volume is let go of before its end, or its closing, is told: then the volume may go too. */
function streamOf(volume: OpenVolume, file: string, size: number): Readable {
  const chunks = chunksIn(volume, file, size)
  let left: PromiseLike<void> | undefined
  const leave = async (): Promise<IteratorReturnResult<undefined>> => {
    await chunks.return(undefined)
    await (left ??= volume[Symbol.asyncDispose]())
    return { done: true, value: undefined }
  }
  // Called also where nothing was ever read; a generator would not begin for that.
  const iterator = {
    next: async () => {
      const next = await chunks.next()
      return next.done === true ? leave() : next
    },
    return: leave,
    [Symbol.asyncIterator]: () => iterator,
  }
  return Readable.from(iterator, { objectMode: false })
}

async function* chunksIn(volume: OpenVolume, file: string, size: number): AsyncGenerator<Buffer, undefined, undefined> {
  let left = size
  for (let number = 1; left > 0; number++) {
    const before = left
    for await (const chunk of unlocking(contentOf(volume, partOf(file, number)))) {
      left -= chunk.length
      yield chunk
    }
    if (left === before) throw internal(`${file} was kept with ${size} bytes and lacks ${left} of them`)
  }
  if (left !== 0) throw internal(`${file} was kept with ${size} bytes and has ${size - left}`)
  return undefined
}

/** A file's bytes; none where there is no such file. */
async function* contentOf(volume: OpenVolume, path: string): AsyncGenerator<Buffer> {
  const tar = await volume.read(path)
  if (tar !== undefined) for await (const entry of readTar(consumed(tar))) yield* entry.body()
}
