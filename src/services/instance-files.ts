/** Files in instances, running or not: read, written and removed at once, without an operation. */
import type { Readable } from 'node:stream'
import type { InstanceRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest, conflict, isFailure, notFound } from '../core/failure.ts'
import { isUnapplied } from '../core/pending.ts'
import { parseFilePath } from '../core/file-paths.ts'
import type { FileAttributes, FileEntry, FilePlace } from '../core/files.ts'
import { foreignRefusal, isForeign } from '../core/foreign.ts'
import type { Clock, OperationStore } from '../core/ports.ts'
import { engineOf } from './engine-of.ts'
import { requireRole, type Caller } from './caller.ts'
import type { Foreign } from './foreign.ts'
import { instanceUrl } from './instance-urls.ts'
import type { InstanceViews, Where } from './instance-views.ts'
import { tellOf, type Write } from './writes.ts'

export interface InstanceFilesDeps {
  views: Pick<InstanceViews, 'get'>
  engines: ReadonlyMap<string, Engine>
  foreign: Foreign
  store: Pick<OperationStore, 'busy'>
  write: Write
  clock: Clock
}

export type InstanceFiles = ReturnType<typeof createInstanceFiles>

/** What a push asks for a new file. */
export interface FilePush extends Partial<Omit<FileAttributes, 'modified'>> {
  type: 'file' | 'directory' | 'symlink'
  append: boolean
  /** What of it is asked for one that is there, too; that keeps the rest, as in LXD. */
  changed: readonly Permission[]
}

/** What a file's permissions are made of. */
export const PERMISSIONS = ['mode', 'uid', 'gid'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** What a path holds. */
export type PulledFile =
  | { entry: FileEntry; content: Readable }
  | { entry: FileEntry; names: string[] }
  | { entry: FileEntry; target: string }

/** A file in an instance, by the path as it was asked for. */
export interface FileWhere extends Where {
  path: string | undefined
}

const DEFAULT_MODE = { file: 0o644, directory: 0o755, symlink: 0o777 } as const
/** What makes a new container of what the present one holds, or removes it. */
const REPLACING = ['update', 'restore', 'refresh', 'delete']
/** What does where changes wait for it. */
const STARTING = ['start', 'restart']

export function createInstanceFiles(deps: InstanceFilesDeps) {
  const { views, engines, foreign, store, write, clock } = deps

  /** What is at a path, a link not followed. */
  async function look(caller: Caller, where: FileWhere, signal?: AbortSignal): Promise<FileEntry> {
    const { engine, place } = await enter(caller, where)
    return required(await engine.files.look(place, signal))
  }

  /** The file, the directory's names or the link's target; LXD shows the latter as an absolute path. */
  async function pull(caller: Caller, where: FileWhere, signal?: AbortSignal): Promise<PulledFile> {
    const { engine, place, record } = await enter(caller, where)
    const opened = required(await engine.files.read(place, signal))
    const { entry, content } = opened
    await tellOf(write, caller, eventOf(record, 'instance-file-retrieved', place))
    if (entry.type === 'file') return opened
    content.destroy()
    if (entry.type === 'directory') return { entry, names: await engine.files.list(place, signal) }
    if (entry.type === 'symlink') return { entry, target: parseFilePath(absolute(place.path, entry.target)) }
    throw badRequest(`${place.path} is a device, a socket or a pipe; only files, directories and links can be pulled`)
  }

  async function push(
    caller: Caller,
    where: FileWhere,
    asked: FilePush & { content: Readable },
    signal?: AbortSignal,
  ): Promise<void> {
    const { engine, place, record } = await enterToWrite(caller, where)
    await pushers[asked.type](engine, place, asked, signal).catch((failure: unknown) => {
      throw isFailure(failure, 'not-found') ? notFound('Not Found') : failure
    })
    await settle(caller, where, record)
    await write(caller, { changes: [], event: eventOf(record, 'instance-file-pushed', place) })
  }

  async function pushFile(
    engine: Engine,
    place: FilePlace,
    asked: FilePush & { content: Readable },
    signal?: AbortSignal,
  ): Promise<void> {
    const at = await followed(engine, place, signal)
    if (at.type === 'directory') throw badRequest(fault(`open ${place.path}: is a directory`))
    if (at.type === 'other') throw badRequest(`${place.path} is a device, a socket or a pipe`)
    const isAsked = (one: Permission) => asked.changed.includes(one) && asked[one] !== undefined
    const keeps = at.type !== undefined && !PERMISSIONS.every(isAsked)
    const entry = keeps ? await engine.files.look(at.place, signal) : undefined
    const options = { append: asked.append && at.type !== undefined }
    await engine.files.putFile(at.place, asked.content, { ...attributesOf(asked, entry), ...options }, signal)
  }

  async function pushDirectory(engine: Engine, place: FilePlace, asked: FilePush, signal?: AbortSignal): Promise<void> {
    const { type } = await followed(engine, place, signal)
    // What is there already stays as it is.
    if (type === 'directory') return
    if (type !== undefined) throw badRequest(fault(`mkdir ${place.path}: not a directory`))
    await engine.files.putDirectory(place, attributesOf(asked, undefined), signal)
  }

  async function pushSymlink(
    engine: Engine,
    place: FilePlace,
    asked: FilePush & { content: Readable },
    signal?: AbortSignal,
  ): Promise<void> {
    const target = await linkTarget(asked.content)
    const type = await engine.files.typeOf(place, signal)
    if (type !== undefined && type !== 'symlink') throw badRequest(fault(`symlink ${place.path}: file exists`))
    await engine.files.putSymlink(place, target, attributesOf(asked, undefined), signal)
  }

  const pushers = { file: pushFile, directory: pushDirectory, symlink: pushSymlink }

  /** A file, a link or an empty directory, as in LXD. */
  async function remove(caller: Caller, where: FileWhere, signal?: AbortSignal): Promise<void> {
    const { engine, place, record } = await enterToWrite(caller, where)
    if (place.path === '/') throw badRequest('The root directory cannot be deleted')
    const isDirectory = required(await engine.files.typeOf(place, signal)) === 'directory'
    if (isDirectory) await checkRemovable(engine, place, signal)
    await engine.files.remove(place, isDirectory, signal)
    await settle(caller, where, record)
    await write(caller, { changes: [], event: eventOf(record, 'instance-file-deleted', place) })
  }

  async function enterToWrite(caller: Caller, where: FileWhere) {
    const entered = await enter(caller, where)
    if (isForeign(entered.record)) throw foreignRefusal(entered.record.name)
    await checkIdle(entered.record)
    return entered
  }

  async function enter(caller: Caller, where: FileWhere) {
    const path = parseFilePath(where.path)
    // LXD gives files to nobody who may only look: a private key is one of them.
    requireRole(caller, 'operator')
    const { record } = await views.get(caller, where)
    await foreign.check(caller, record)
    const engine = engineOf(engines, record.member)
    const place: FilePlace = { container: record.container, path }
    return { record, engine, place }
  }

  async function checkIdle(record: InstanceRecord): Promise<void> {
    const busy = await store.busy(`instance:${record.uuid}`)
    const replacing = isUnapplied(record) ? [...REPLACING, ...STARTING] : REPLACING
    if (busy === undefined || !replacing.includes(busy.action)) return
    throw conflict(`Instance is busy running a "${busy.action}" operation`, {
      operation: `/1.0/operations/${busy.operation}`,
    })
  }

  /** What was written into a container that is being replaced may be lost with it. */
  async function settle(caller: Caller, where: Where, record: InstanceRecord): Promise<void> {
    await checkIdle(record)
    const now = await views.get(caller, where)
    if (now.record.container !== record.container)
      throw conflict('The instance was made anew meanwhile; send it again', { retryAfter: 1 })
  }

  function attributesOf(asked: FilePush, entry: FileEntry | undefined): FileAttributes {
    const defaults = { mode: DEFAULT_MODE[asked.type], uid: 0, gid: 0 }
    const chosen = (one: Permission) =>
      (asked.changed.includes(one) ? asked[one] : undefined) ?? entry?.[one] ?? asked[one] ?? defaults[one]
    return { mode: chosen('mode'), uid: chosen('uid'), gid: chosen('gid'), modified: clock.now() }
  }

  return { look, pull, push, remove }
}

/** Only what is empty, and no place where something is mounted: the engine would empty that. */
async function checkRemovable(engine: Engine, place: FilePlace, signal?: AbortSignal): Promise<void> {
  const detail = await engine.containers.inspect(place.container, signal)
  const mount = detail?.mounts.find(({ path }) => path === place.path || path.startsWith(`${place.path}/`))
  if (mount !== undefined) throw badRequest(`remove ${place.path}: ${mount.path} is mounted there by a device`)
  if ((await engine.files.list(place, signal)).length > 0)
    throw badRequest(fault(`remove ${place.path}: directory not empty`))
}

/** What a path leads to, and where that is. */
async function followed(
  engine: Engine,
  place: FilePlace,
  signal?: AbortSignal,
): Promise<{ place: FilePlace; type: FileEntry['type'] | undefined }> {
  const type = await engine.files.typeOf(place, signal)
  if (type !== 'symlink') return { place, type }
  const target = { ...place, path: await engine.files.resolve(place, signal) }
  return { place: target, type: await engine.files.typeOf(target, signal) }
}

function eventOf(record: InstanceRecord, action: string, { path }: FilePlace) {
  return { action, source: instanceUrl(record), project: record.project, context: { path } }
}

function required<T>(found: T | undefined): T {
  if (found === undefined) throw notFound('Not Found')
  return found
}

/** LXD's clients see such texts as its file server puts them. */
function fault(text: string): string {
  return `sftp: "${text}" (SSH_FX_FAILURE)`
}

function absolute(path: string, target: string): string {
  return target.startsWith('/') ? target : `${path.slice(0, path.lastIndexOf('/'))}/${target}`
}

/** Longest target of a symlink, bytes. */
const MAX_TARGET = 4095

async function linkTarget(content: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Without an encoding the chunks of a byte stream are Buffers.
  for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_TARGET) throw badRequest('The target of a symlink is too long')
  }
  const target = Buffer.concat(chunks).toString()
  if (target === '' || target.includes('\0')) throw badRequest('The body must be the target of the symlink')
  return target
}
