/**
 * Files of containers. The engine reaches them from outside, running or not, but not what a running one has mounted
 * over them for itself: that is left to processes inside.
 */
import { posix } from 'node:path'
import type { Execs } from '../../core/container.ts'
import { badRequest, conflict, isFailure } from '../../core/failure.ts'
import type { FilePlace, Files } from '../../core/files.ts'
import { createArchiveFiles } from './archive-files.ts'
import { inspectPayload } from './containers.ts'
import { createGuestFiles } from './guest-files.ts'
import type { Wire } from './engine-wire.ts'
import { stat } from './files.ts'
import { fields, list, text } from './read.ts'

/** Mounts that every running container has. */
const KERNEL = ['/proc', '/sys', '/dev']

export function createContainerFiles(wire: Wire, execs: Execs): Files {
  const archive = createArchiveFiles(wire)
  const guest = createGuestFiles(execs)

  /** By the one that sees the path. */
  async function by<T>(
    place: FilePlace,
    signal: AbortSignal | undefined,
    act: (files: Files) => Promise<T>,
    options: { prefersInside: boolean } = { prefersInside: false },
  ): Promise<T> {
    const reach = await reachOf(wire, place, signal)
    if (reach.isHidden && reach.isPaused) throw conflict(`${place.path} cannot be reached while the instance is frozen`)
    const isInside = reach.isHidden || (options.prefersInside && reach.isRunning && !reach.isPaused)
    if (!isInside) return act(archive)
    try {
      return await act(guest)
    } catch (failure) {
      if (!isFailure(failure, 'unsupported')) throw failure
      if (!reach.isHidden) return act(archive)
      throw badRequest(`${failure.message}, and while it runs nobody else sees it; stop it first`, { cause: failure })
    }
  }

  return {
    look: (place, signal) => by(place, signal, (files) => files.look(place, signal)),
    resolve: (place, signal) => by(place, signal, (files) => files.resolve(place, signal)),
    read: (place, signal) => by(place, signal, (files) => files.read(place, signal)),
    list: (place, signal) => by(place, signal, (files) => files.list(place, signal)),
    // A process that has the file open would go on writing into the one that was replaced.
    putFile: (place, content, attributes, signal) =>
      by(place, signal, (files) => files.putFile(place, content, attributes, signal), {
        prefersInside: attributes.append === true,
      }),
    putDirectory: (place, attributes, signal) =>
      by(place, signal, (files) => files.putDirectory(place, attributes, signal)),
    putSymlink: (place, target, attributes, signal) =>
      by(place, signal, (files) => files.putSymlink(place, target, attributes, signal)),
    // The engine would also remove what a process has just put into it.
    remove: (place, isDirectory, signal) =>
      by(place, signal, (files) => files.remove(place, isDirectory, signal), { prefersInside: isDirectory }),
  }
}

interface Reach {
  isRunning: boolean
  isPaused: boolean
  isHidden: boolean
}

async function reachOf(wire: Wire, place: FilePlace, signal?: AbortSignal): Promise<Reach> {
  const payload = (await inspectPayload(wire, place.container, signal)) ?? {}
  const state = fields(payload.State)
  const isRunning = state.Running === true
  const isPaused = state.Paused === true
  if (!isRunning) return { isRunning, isPaused, isHidden: false }
  const own = [
    ...Object.keys(fields(fields(payload.HostConfig).Tmpfs)),
    ...list(payload.Mounts).flatMap((mount) =>
      text(fields(mount).Type) === 'tmpfs' ? [text(fields(mount).Destination)] : [],
    ),
  ]
  const isUnder = (path: string) => [...KERNEL, ...own].some((mount) => path === mount || path.startsWith(`${mount}/`))
  const isHidden = isUnder(place.path) || (own.length > 0 && (await leadsUnder(wire, place, isUnder, signal)))
  return { isRunning, isPaused, isHidden }
}

/** Whether links among the folders of a path lead there: `/var/run/x`. */
async function leadsUnder(
  wire: Wire,
  { container, path }: FilePlace,
  isUnder: (path: string) => boolean,
  signal?: AbortSignal,
): Promise<boolean> {
  let at = '/'
  for (const name of posix.dirname(path).split('/').filter(Boolean)) {
    const next = posix.join(at, name)
    const found = await stat(wire, container, next, signal)
    if (found === undefined) return false
    at = found.type === 'symlink' ? found.linkTarget : next
    if (isUnder(at)) return true
  }
  return false
}
