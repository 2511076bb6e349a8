/** A container's file system as an image of one layer: engines refuse a commit at 125 layers. */
import { imageFromTar, type NewImage } from './image-making.ts'
import { fields, type Fields, required, text } from './read.ts'
import { askUnless, change, type Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** From so many layers on a commit flattens; not earlier, for it ends the sharing of layers. */
export const FLATTEN_FROM = 100

/** Export, import, and a commit with a configuration: the id. A running one is frozen meanwhile. */
export async function flatten(wire: Wire, container: Fields, make: NewImage, signal?: AbortSignal): Promise<string> {
  const id = required(container.Id, "a container's id")
  const isRunning = text(fields(container.State).Status) === 'running'
  const doing = `exporting container ${id}`
  if (isRunning) {
    const path = route`/containers/${id}/pause`
    // Half-way it would stay paused: nobody would take it back.
    await askUnless(wire, { ...change(wire, `pausing container ${id}`, signal), path }, ['already paused'])
  }
  try {
    const tar = await wire.stream({ doing, method: 'GET', path: route`/containers/${id}/export`, signal })
    return await imageFromTar(wire, tar, make, signal)
  } finally {
    if (isRunning) {
      const path = route`/containers/${id}/unpause`
      await askUnless(wire, { ...change(wire, `unpausing container ${id}`, undefined), path }, ['is not paused'])
    }
  }
}
