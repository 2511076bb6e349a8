/** What the engine keeps of a container's console. */
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { LogPart } from '../../core/container.ts'
import { notFound } from '../../core/failure.ts'
import { inspectPayload } from './inspect.ts'
import { Demux } from './demux.ts'
import { fields } from './read.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** Both streams in the order they were written. */
export async function readLogs(wire: Wire, id: string, part: LogPart, signal?: AbortSignal): Promise<Readable> {
  return openLogs(wire, id, { ...part, timestamps: false }, signal)
}

/**
 * One nanosecond after the last line: engines take what was written at `since` or later. The engine's own time counts,
 * and of times they take no more than nine digits behind the point.
 */
export async function readLogEnd(wire: Wire, id: string, signal?: AbortSignal): Promise<string> {
  const last = await text(await openLogs(wire, id, { tail: 1, timestamps: true }, signal))
  const [, at = '', fraction = ''] = /^(\S+T[\d:]+)(?:\.(\d+))?Z /.exec(last) ?? []
  if (at === '') return ''
  const next = BigInt(Date.parse(`${at}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9)) + 1n
  return `${next / SECOND}.${String(next % SECOND).padStart(9, '0')}`
}

const SECOND = 1_000_000_000n

async function openLogs(
  wire: Wire,
  id: string,
  { tail: lines, since = '', timestamps }: LogPart & { timestamps: boolean },
  signal?: AbortSignal,
): Promise<Readable> {
  const payload = await inspectPayload(wire, id, signal)
  if (payload === undefined) throw notFound(`There is no container ${id}`)
  const tail = lines < 0 ? 'all' : String(lines)
  const query = { stdout: true, stderr: true, follow: false, timestamps, tail, ...(since !== '' && { since }) }
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
