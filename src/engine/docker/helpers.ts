/** Never-started containers of an empty image: handles on volumes, and on file systems that become images. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnLabels } from '../../core/container.ts'
import { toDockerLabels } from './labels.ts'
import { fields, type Fields, required } from './read.ts'
import { change, type Wire } from './engine-wire.ts'
import { route } from './requests.ts'

export interface HelperSpec {
  image: string
  /** Of the object it helps; its role becomes `helper`. */
  labels: OwnLabels
  /** A volume to be found at HELPER_VOLUME. */
  volume?: string
  /** Further fields of its HostConfig. */
  host?: Fields
  command?: readonly string[]
}

/** Where a helper has its volume. */
export const HELPER_VOLUME = '/v'

/** Labels of what only lives while something is made: found by operation and step, nothing to rebuild from. */
export function helperLabels(labels: OwnLabels): OwnLabels {
  return { ...labels, role: 'helper', origin: '' }
}

/** Runs `use` with a helper's id and removes the helper, whatever happens. */
export async function withHelper<T>(
  wire: Wire,
  spec: HelperSpec,
  use: (id: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const id = await createHelper(wire, spec, signal)
  try {
    return await use(id)
  } finally {
    await removeHelper(wire, id)
  }
}

/** A helper's id; whoever makes one removes it. */
export async function createHelper(wire: Wire, spec: HelperSpec, signal?: AbortSignal): Promise<string> {
  const volume = { Type: 'volume', Source: spec.volume, Target: HELPER_VOLUME }
  const body = {
    Image: spec.image,
    // Never run: an image without a command cannot be created from. A commit can leave an entrypoint out, no command.
    Cmd: spec.command ?? [],
    Entrypoint: spec.command === undefined ? ['x'] : [],
    Labels: toDockerLabels(helperLabels(spec.labels)),
    HostConfig: {
      NetworkMode: 'none',
      LogConfig: { Type: 'none' },
      Mounts: spec.volume === undefined ? [] : [volume],
      ...spec.host,
    },
  }
  const request = { ...change(wire, 'creating a helper container', signal), path: '/containers/create', body }
  const answer = await wire.ask(request)
  return required(fields(answer.body).Id, "the new container's id")
}

/** How often a helper's removal is asked for, and milliseconds in between: until it is gone its volume cannot go. */
const ASKS = 3
const APART = 250

/** Removes it with the anonymous volumes it may have got. Where the engine cannot be asked, the sweeper knows its labels. */
export async function removeHelper(wire: Wire, id: string): Promise<void> {
  const request = { doing: 'removing a helper container', method: 'DELETE', path: route`/containers/${id}` } as const
  for (let asks = 1; asks <= ASKS && !wire.closed.aborted; asks++) {
    try {
      await wire.ask({ ...request, query: { force: true, v: true }, expect: [404, 409] })
      return
    } catch {
      await sleep(APART)
    }
  }
}
