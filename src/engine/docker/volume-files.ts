/**
 * What is in volumes. The engine has no call for it; it reads and writes containers, also those that never run. While
 * it does, the container is locked, and where one is, no image can be removed: nobody outside may be waited for then.
 */
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { callbackify } from 'node:util'
import type { OwnLabels } from '../../core/container.ts'
import type { Wire } from './engine-wire.ts'
import { archiveOf, openArchive } from './files.ts'
import { createHelper, HELPER_VOLUME, type HelperSpec, removeHelper, withHelper } from './helpers.ts'
import { plainTar } from './plain-tar.ts'
import { route } from './requests.ts'
import { type Decision, rewriteTar, type TarEntry } from './tar-rewrite.ts'

/** Whose helpers they are, and what these are made of. */
export interface Helping {
  wire: Wire
  /** The image without files. */
  empty: (signal?: AbortSignal) => Promise<string>
  labels: OwnLabels
  signal: AbortSignal | undefined
}

const FOLDER = HELPER_VOLUME.slice(1)

/** Copies all of one volume over another. */
export async function copyFiles(helping: Helping, from: string, to: string): Promise<void> {
  const { wire, signal } = helping
  const [source, target] = [await helperOf(helping, from), await helperOf(helping, to)]
  // Two helpers: reading from and writing to the same container wait for each other for ever.
  await withHelper(
    wire,
    source,
    (one) => withHelper(wire, target, (other) => pour(helping, one, other), signal),
    signal,
  )
}

/** Unpacks a plain tar at the volume's root. */
export async function writeFiles(helping: Helping, volume: string, tar: Readable): Promise<void> {
  try {
    await using opened = await openVolume(helping, volume)
    await opened.write(tar)
  } finally {
    tar.destroy()
  }
}

/** A volume with a helper of its own, for several calls one after the other. */
export interface OpenVolume extends AsyncDisposable {
  /** Unpacks a plain tar at its root. */
  write(tar: Readable): Promise<void>
  /** A tar of the file at a path; undefined where there is none. */
  read(path: string): Promise<Readable | undefined>
}

/** It may go when it is let go of. */
export async function openVolume(helping: Helping, volume: string): Promise<OpenVolume> {
  const { wire, signal } = helping
  const id = await createHelper(wire, await helperOf(helping, volume), signal)
  return {
    write: async (tar) => {
      const file = rewriteTar(plainTar(tar, { mayBeEmpty: true, isPrefixed: true }), putInFolder)
      const request = { doing: `writing to volume ${volume}`, method: 'PUT', path: archiveOf(id) } as const
      await wire.ask({ ...request, query: { path: '/' }, file, signal })
    },
    read: (name) => openArchive(wire, id, `${HELPER_VOLUME}/${name}`, { doing: `reading volume ${volume}`, signal }),
    [Symbol.asyncDispose]: () => removeHelper(wire, id),
  }
}

/** The volume as a tar, names below its root. Its end comes when the helper is gone: then the volume may go too. */
export async function readFiles(helping: Helping, volume: string): Promise<Readable> {
  const { wire, signal } = helping
  const id = await createHelper(wire, await helperOf(helping, volume), signal)
  try {
    const request = { doing: `reading volume ${volume}`, method: 'GET', path: archiveOf(id) } as const
    // With the dot at its end the names begin below the folder.
    const tar = await wire.stream({ ...request, query: { path: `${HELPER_VOLUME}/.` }, signal })
    return withEnding(tar, () => removeHelper(wire, id))
  } catch (error) {
    await removeHelper(wire, id)
    throw error
  }
}

/** Passes a stream on and does the last thing before its end, or when it is let go of. */
function withEnding(source: Readable, last: () => Promise<void>): Readable {
  const ending = new PassThrough({ flush: callbackify(last) })
  pipeline(source, ending, (error) => {
    if (error) void last()
  })
  // Whoever has let go of the stream hears nothing more.
  ending.on('error', () => undefined)
  return ending
}

/** A mount of a missing volume would make one, without our labels: look first. */
async function helperOf({ wire, empty, labels, signal }: Helping, volume: string): Promise<HelperSpec> {
  await wire.ask({ doing: `reading volume ${volume}`, method: 'GET', path: route`/volumes/${volume}`, signal })
  return { image: await empty(signal), labels, volume }
}

async function pour({ wire, signal }: Helping, source: string, target: string): Promise<void> {
  const doing = 'copying a volume'
  const from = { doing, method: 'GET', path: archiveOf(source), query: { path: HELPER_VOLUME }, signal } as const
  const file = await wire.stream(from)
  await wire.ask({ doing, method: 'PUT', path: archiveOf(target), query: { path: '/' }, file, signal })
}

/** Unpacked right in the folder the engine refuses a symbolic link that leaves it; unpacked above, it does not. */
function putInFolder({ name, linkname, type }: TarEntry): Decision {
  return { name: inFolder(name), ...(type === '1' ? { linkname: inFolder(linkname) } : {}) }
}

function inFolder(path: string): string {
  return `${FOLDER}/${path.replace(/^(\.?\/)+/, '').replace(/^\.$/, '')}`
}
