/** What the engine keeps of a container's console. */
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { notFound } from '../../core/failure.ts'
import { inspectPayload } from './containers.ts'
import { Demux } from './demux.ts'
import { fields } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** The last `tail` lines (all for a negative number) of both streams in the order they were written. */
export async function readLogs(
  wire: Wire,
  id: string,
  options: { tail: number },
  signal?: AbortSignal,
): Promise<Readable> {
  const payload = await inspectPayload(wire, id, signal)
  if (payload === undefined) throw notFound(`There is no container ${id}`)
  const tail = options.tail < 0 ? 'all' : String(options.tail)
  const query = { stdout: true, stderr: true, follow: false, timestamps: false, tail }
  const doing = `reading the log of container ${id}`
  const raw = await wire.stream({ doing, method: 'GET', path: route`/containers/${id}/logs`, query, signal })
  // With a terminal there is one stream only, and it comes as it is.
  if (fields(payload.Config).Tty === true) return raw
  const merged = new PassThrough()
  // The error reaches whoever reads `merged`; an unheard one must not end the process.
  merged.on('error', () => undefined)
  merged.once('close', () => raw.destroy())
  pipeline(raw, new Demux({ stdout: merged, stderr: merged }), (error) => {
    if (error) merged.destroy(error)
  })
  return merged
}
