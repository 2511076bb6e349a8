/** Pulling an image from a registry. */
import type { PullProgress } from '../../core/engine.ts'
import { internal } from '../../core/failure.ts'
import { readProgress } from './ndjson.ts'
import { count, fields, type Fields, text } from './read.ts'
import { parseReference } from './references.ts'
import type { Wire } from './engine-wire.ts'

export interface PullOptions {
  credentials?: { username: string; password: string }
  onProgress(progress: PullProgress): void
}

/**
 * Ends when the registry's last line is read; the digest it named, '' where it named none. A pull that failed has said
 * so in a line, for its status comes before the first byte of a layer.
 */
export async function pull(wire: Wire, reference: string, options: PullOptions, signal?: AbortSignal): Promise<string> {
  const { repo, tag } = parseReference(reference)
  const doing = `pulling image ${reference}`
  const headers = options.credentials === undefined ? {} : { 'X-Registry-Auth': encode(options.credentials) }
  const request = { doing, method: 'POST', path: '/images/create', query: { fromImage: repo, tag }, headers } as const
  const answer = await wire.stream({ ...request, signal, timeout: wire.timeouts.idle, isBlocking: true })
  const layers = new Map<string, number>()
  let digest = ''
  let last = -1
  let lines = 0
  for await (const line of readProgress(answer, doing)) {
    lines++
    digest = /^Digest: (\S+)/.exec(text(line.status))?.[1] ?? digest
    const percent = advance(layers, line)
    if (percent === last) continue
    last = percent
    options.onProgress({ text: text(line.status), percent })
  }
  if (lines === 0) throw internal(`Failed ${doing}: the engine said nothing`)
  return digest
}

/** URL-safe and padded: an engine takes what lacks its padding for no credentials at all. */
function encode(credentials: { username: string; password: string }): string {
  const encoded = Buffer.from(JSON.stringify(credentials)).toString('base64')
  return encoded.replaceAll('+', '-').replaceAll('/', '_')
}

/** A layer is 70 parts of loading and 30 of unpacking; the whole is the mean over the layers known so far. */
function advance(layers: Map<string, number>, line: Fields): number {
  const detail = fields(line.progressDetail)
  const part = count(detail.total) > 0 ? Math.min(1, count(detail.current) / count(detail.total)) : 0
  const id = text(line.id)
  const done = partOf(text(line.status), part)
  if (id !== '' && done !== undefined) layers.set(id, Math.max(done, layers.get(id) ?? 0))
  const sum = [...layers.values()].reduce((total, one) => total + one, 0)
  return layers.size === 0 ? 0 : Math.floor(sum / layers.size)
}

function partOf(status: string, part: number): number | undefined {
  switch (status) {
    case 'Pulling fs layer':
    case 'Waiting':
      return 0
    case 'Downloading':
      return 70 * part
    case 'Verifying Checksum':
    case 'Download complete':
      return 70
    case 'Extracting':
      return 70 + 30 * part
    case 'Pull complete':
    case 'Already exists':
      return 100
    default:
      return undefined
  }
}
