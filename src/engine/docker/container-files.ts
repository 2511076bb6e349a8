/**
 * Files of containers. The engine reaches them from outside, running or not, but not what a running one has mounted
 * over them for itself: that is left to processes inside.
 */
import { posix } from 'node:path'
import type { Execs } from '../../core/container.ts'
import { badRequest, conflict, isFailure } from '../../core/failure.ts'
import type { FilePlace, Files } from '../../core/files.ts'
import { createArchiveFiles } from './archive-files.ts'
import { inspectPayload } from './inspect.ts'
import { createGuestFiles } from './guest-files.ts'
import type { Wire } from './engine-wire.ts'
import { stat } from './files.ts'
import { fields, type Fields, list, text } from './read.ts'

/** Mounts that every running container has. */
const KERNEL = ['/proc', '/sys', '/dev']

export function createContainerFiles(wire: Wire, execs: Execs): Files {
  const archive = createArchiveFiles(wire)
  const guest = createGuestFiles(execs)
  const known: Own = new Map()

  /** By the one that sees the path. */
  async function by<T>(
    place: FilePlace,
    signal: AbortSignal | undefined,
    act: (files: Files) => Promise<T>,
    options: { prefersInside: boolean } = { prefersInside: false },
  ): Promise<T> {
    const reach = await reachOf(wire, known, place, signal)
    if (reach.isHidden && reach.isPaused) throw conflict(`${place.path} cannot be reached while the instance is frozen`)
    const isInside = reach.isHidden || (options.prefersInside && (await isAwake(wire, place.container, signal)))
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
    typeOf: (place, signal) => by(place, signal, (files) => files.typeOf(place, signal)),
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
  /** Only processes inside see what is there. */
  isHidden: boolean
  isPaused: boolean
}

/** Where the engine does not see what a running container has, by container: that never changes. */
type Own = Map<string, readonly string[]>
/** So many containers are remembered. */
const REMEMBERED = 10_000

async function reachOf(wire: Wire, known: Own, place: FilePlace, signal?: AbortSignal): Promise<Reach> {
  const own = known.get(place.container)
  // Most have none, and need not be looked at again.
  if (own?.length === 0 && !isUnder(KERNEL, place.path)) return SEEN
  const payload = await inspectPayload(wire, place.container, signal)
  if (payload === undefined) return SEEN
  const mounts = own ?? ownMounts(payload)
  if (known.size >= REMEMBERED) known.clear()
  known.set(place.container, mounts)
  const state = fields(payload.State)
  if (state.Running !== true) return SEEN
  const hidden = [...KERNEL, ...mounts]
  const isHidden = isUnder(hidden, place.path) || (mounts.length > 0 && (await leadsUnder(wire, place, hidden, signal)))
  return { isHidden, isPaused: state.Paused === true }
}

const SEEN: Reach = { isHidden: false, isPaused: false }

function ownMounts(payload: Fields): string[] {
  const mounted = list(payload.Mounts).map(fields)
  return [
    ...Object.keys(fields(fields(payload.HostConfig).Tmpfs)),
    ...mounted.filter(({ Type }) => Type === 'tmpfs').map(({ Destination }) => text(Destination)),
  ]
}

function isUnder(mounts: readonly string[], path: string): boolean {
  return mounts.some((mount) => path === mount || path.startsWith(`${mount}/`))
}

/** Whether links among the folders of a path lead there: `/var/run/x`. */
async function leadsUnder(
  wire: Wire,
  { container, path }: FilePlace,
  mounts: readonly string[],
  signal?: AbortSignal,
): Promise<boolean> {
  let at = '/'
  for (const name of posix.dirname(path).split('/').filter(Boolean)) {
    const next = posix.join(at, name)
    const found = await stat(wire, container, next, signal)
    if (found === undefined) return false
    at = found.type === 'symlink' ? found.linkTarget : next
    if (isUnder(mounts, at)) return true
  }
  return false
}

/** Whether processes run in it: a frozen one's do not. */
async function isAwake(wire: Wire, container: string, signal?: AbortSignal): Promise<boolean> {
  const state = fields((await inspectPayload(wire, container, signal))?.State)
  return state.Running === true && state.Paused !== true
}
