/** Files of containers by the engine's archive calls, which also work while a container is stopped. */
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { badRequest, isFailure } from '../../core/failure.ts'
import type { FilePlace, Files } from '../../core/files.ts'
import type { Wire } from './engine-wire.ts'
import { says } from './errors.ts'
import { openArchive, stat } from './files.ts'
import { createFilePut } from './file-put.ts'
import { createFileReads, type OpenTar } from './file-reads.ts'

/** Milliseconds a reader may take for its next piece: until the end nobody can inspect or stop the container. */
const READ_IDLE = 30_000

export function createArchiveFiles(wire: Wire): Files {
  const reads = createFileReads(openTar(wire))
  /** The engine would follow a link before it tells of it: one that leads in a circle is seen in its folder only. */
  const lookAround = async (failure: unknown, place: FilePlace, signal?: AbortSignal) => {
    if (!isFailure(failure, 'bad-request') || !says(failure.message, ...CIRCLE)) throw failure
    const folder = { ...place, path: posix.dirname(place.path) }
    return reads.lookIn(folder, posix.basename(place.path), signal)
  }
  const look: Files['look'] = (place, signal) =>
    reads.look(place, signal).catch((failure: unknown) => lookAround(failure, place, signal))
  const read: Files['read'] = (place, signal) =>
    reads.read(place, signal).catch(async (failure: unknown) => {
      const entry = await lookAround(failure, place, signal)
      return entry && { entry, content: Readable.from([], { objectMode: false }) }
    })
  return {
    ...reads,
    ...createFilePut(wire, reads.read),
    look,
    read,
    typeOf: async (place, signal) => {
      try {
        return (await stat(wire, place.container, place.path, signal))?.type
      } catch (failure) {
        if (!isFailure(failure, 'internal')) throw failure
        // What is wrong with the path is said with an archive only.
        return (await look(place, signal))?.type
      }
    },
    resolve: async ({ container, path }, signal) => {
      const found = await stat(wire, container, path, signal).catch((cause: unknown) => {
        throw isFailure(cause, 'internal') ? badRequest(`${path}: ${CIRCLE[0]}`, { cause }) : cause
      })
      return found?.type === 'symlink' ? found.linkTarget : path
    },
  }
}

function openTar(wire: Wire): OpenTar {
  return async ({ container, path }: FilePlace, signal) => {
    const idle = Math.min(READ_IDLE, wire.timeouts.idle)
    try {
      return await openArchive(wire, container, path, { doing: `reading ${path}`, idle, signal })
    } catch (failure) {
      throw toPathFailure(failure, path)
    }
  }
}

const CIRCLE = ['too many levels of symbolic links', 'too many links']
const PATH_FAULTS = ['not a directory', 'file name too long', ...CIRCLE]

/** What is wrong with a path is the asker's mistake; the engine's own words name files of its host. */
function toPathFailure(failure: unknown, path: string): unknown {
  if (!isFailure(failure)) return failure
  const fault = PATH_FAULTS.find((words) => says(failure.message, words))
  return fault === undefined ? failure : badRequest(`${path}: ${fault}`, { cause: failure })
}
