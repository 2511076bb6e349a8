/** Files of containers by the engine's archive calls, which also work while a container is stopped. */
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { Containers, FileStat } from '../../core/container.ts'
import { isFailure, notFound } from '../../core/failure.ts'
import { inspectPayload } from './inspect.ts'
import { refusal, says } from './errors.ts'
import { unmistakableTar } from './plain-tar.ts'
import { count, fields, moment, text } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

type Files = Pick<Containers, 'stat' | 'readTar' | 'writeTar' | 'exportTar'>

/** Milliseconds a reader may take for its next piece: until the end nobody can inspect or stop the container. */
const READ_IDLE = 30_000

/** Files of the containers of one engine. */
export function createFiles(wire: Wire): Files {
  return {
    stat: (id, path, signal) => stat(wire, id, path, signal),
    readTar: (id, path, signal) => {
      const request = { doing: `reading ${path} of container ${id}`, method: 'GET', path: archiveOf(id) } as const
      return wire.stream({ ...request, query: { path }, signal }, Math.min(READ_IDLE, wire.timeouts.idle))
    },
    writeTar: async (id, path, tar, signal) => {
      const doing = `writing below ${path} of container ${id}`
      try {
        // Asked first, for an engine that refuses an upload closes the connection, often before its words are read.
        const folder = await stat(wire, id, path, signal)
        if (folder === undefined) throw notFound(`Failed ${doing}: there is no such directory`)
        const request = { doing, method: 'PUT', path: archiveOf(id), query: { path } } as const
        await wire.ask({ ...request, file: unmistakableTar(tar), signal })
      } finally {
        tar.destroy()
      }
    },
    exportTar: (id, signal) => {
      const path = route`/containers/${id}/export`
      return wire.stream({ doing: `exporting container ${id}`, method: 'GET', path, signal })
    },
  }
}

/** Where the files of a container are read and written. */
export function archiveOf(id: string): string {
  return route`/containers/${id}/archive`
}

/** A tar of what is at a path; undefined where there is nothing. `idle`: milliseconds a reader may take for its next piece. */
export async function openArchive(
  wire: Wire,
  id: string,
  path: string,
  { doing, idle, signal }: { doing: string; idle?: number; signal: AbortSignal | undefined },
): Promise<Readable | undefined> {
  try {
    return await wire.stream({ doing, method: 'GET', path: archiveOf(id), query: { path }, signal }, idle)
  } catch (failure) {
    if (isFailure(failure, 'not-found') && says(failure.message, 'could not find the file')) return undefined
    throw failure
  }
}

/** What is at a path; undefined where there is nothing. */
export async function stat(wire: Wire, id: string, path: string, signal?: AbortSignal): Promise<FileStat | undefined> {
  const request = { doing: `looking at ${path} of container ${id}`, method: 'HEAD', path: archiveOf(id) } as const
  const answer = await wire.ask({ ...request, query: { path }, signal, expect: [404, 500] })
  if (answer.status < 300) return toFileStat(answer.headers['x-docker-container-path-stat'])
  if (answer.status === 500) {
    // What lies below a file is a server error to the engine; only then is it a plain "there is none".
    const parent = path === '/' ? undefined : await stat(wire, id, posix.dirname(path), signal)
    if (path === '/' || parent?.type === 'directory') throw refusal(request.doing, answer.status, '')
    return undefined
  }
  // An answer to HEAD has no words that would tell which of the two is missing.
  if ((await inspectPayload(wire, id, signal)) === undefined) throw notFound(`There is no container ${id}`)
  return undefined
}

/** The engine's header: base64 of JSON, with Go's file mode. */
export function toFileStat(header: unknown): FileStat {
  const it = fields(parse(Buffer.from(text(header), 'base64').toString()))
  const mode = count(it.mode)
  return {
    name: text(it.name),
    size: count(it.size),
    mode: toUnixMode(mode),
    type: typeOf(mode),
    modified: moment(it.mtime),
    linkTarget: text(it.linkTarget),
    ...nodeOf(mode),
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

// Bits of Go's io/fs.FileMode. It has 32 of them, so that bit operations of JavaScript are only good below the sign.
const GO_DIRECTORY = 2 ** 31
const GO_SYMLINK = 2 ** 27
const GO_OTHERS = 2 ** 26 + 2 ** 25 + 2 ** 24 + 2 ** 21 + 2 ** 19
const GO_DEVICE = 2 ** 26
const GO_CHARACTERS = 2 ** 21
const GO_SETUID = 2 ** 23
const GO_SETGID = 2 ** 22
const GO_STICKY = 2 ** 20

function has(mode: number, bit: number): boolean {
  return Math.floor(mode / bit) % 2 === 1
}

function toUnixMode(mode: number): number {
  const special = (has(mode, GO_SETUID) ? 0o4000 : 0) + (has(mode, GO_SETGID) ? 0o2000 : 0)
  return (mode % 0o1000) + special + (has(mode, GO_STICKY) ? 0o1000 : 0)
}

function typeOf(mode: number): FileStat['type'] {
  if (has(mode, GO_DIRECTORY)) return 'directory'
  if (has(mode, GO_SYMLINK)) return 'symlink'
  return (mode & GO_OTHERS) === 0 ? 'file' : 'other'
}

function nodeOf(mode: number): Pick<FileStat, 'node'> {
  return has(mode, GO_DEVICE) ? { node: has(mode, GO_CHARACTERS) ? 'char' : 'block' } : {}
}
