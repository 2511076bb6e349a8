/** A container's own terminal. */
import { Writable } from 'node:stream'
import type { AttachedConsole } from '../../core/container.ts'
import { badRequest, notFound } from '../../core/failure.ts'
import { inspectPayload } from './inspect.ts'
import { fields } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { DETACH_KEYS } from './exec.ts'
import { route } from './requests.ts'

/** Joins the terminal; whoever else has joined it sees and types the same. */
export async function attachConsole(wire: Wire, id: string, signal?: AbortSignal): Promise<AttachedConsole> {
  const payload = await inspectPayload(wire, id, signal)
  if (payload === undefined) throw notFound(`There is no container ${id}`)
  if (fields(payload.Config).Tty !== true) throw badRequest('The instance has no terminal')
  const query = { stream: true, stdin: true, stdout: true, stderr: true, detachKeys: DETACH_KEYS }
  const doing = `joining the console of container ${id}`
  const path = route`/containers/${id}/attach`
  const socket = await wire.hijack({ doing, method: 'POST', path, query, signal })
  socket.on('error', () => socket.destroy())
  return {
    // What is typed after the end goes nowhere, which is no error of who typed it.
    input: new Writable({
      write: (chunk, _encoding, done) => void (socket.writable ? socket.write(chunk, () => done()) : done()),
    }),
    output: socket,
    resize: async (width, height) => {
      const request = { doing: 'resizing a console', method: 'POST', path: route`/containers/${id}/resize` } as const
      // It may have stopped meanwhile.
      await wire.ask({ ...request, query: { h: height, w: width }, expect: [400, 404, 409, 500] })
    },
    detach: () => void socket.destroy(),
  }
}
