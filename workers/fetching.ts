/** An image of another server of LXD's API, brought into a volume: its record and its files over HTTPS. */
import { createHash, X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { Readable } from 'node:stream'
import type { ImageRecord } from '../src/contract/records.ts'
import { badRequest, isFailure, tooLarge } from '../src/core/failure.ts'
import { imageVolume, KEPT_FILE, ROOTFS_FILE } from '../src/core/kept-files.ts'
import { boundaryOf, partsOf } from '../src/core/multipart.ts'
import { dropVolume } from './images.ts'
import type { Context } from './steps.ts'

export type Fetched = Pick<ImageRecord, 'size' | 'filename' | 'properties' | 'rootfs'>

type Fetching = Context<'image.import'>
type From = NonNullable<Fetching['input']['from']>

/** Milliseconds without a byte. */
const SILENCE = 60_000
const MAX_JSON = 1024 * 1024

/** Fetches again from the beginning what an earlier attempt has not noted. Bad-request for what is not what it is said to be. */
export async function fetchImage(context: Fetching): Promise<Fetched> {
  const { from, image } = context.input
  if (from === undefined) throw badRequest('No server is said to fetch the image from')
  await dropVolume(context, context.input.upload)
  const { properties, filename } = await describe(context, from)
  const kept = await keep(context, from, image)
  if (kept.sha256 !== from.fingerprint)
    throw badRequest(
      `The files of the image at ${from.url} have the fingerprint ${kept.sha256}, not ${from.fingerprint}: an image ` +
        'that was pulled from a registry is pulled from there by each server',
    )
  const { size, rootfs } = kept
  const fetched = { size, filename: filename || kept.filename, properties }
  return rootfs === undefined ? fetched : { ...fetched, rootfs }
}

async function describe(context: Fetching, from: From): Promise<Pick<Fetched, 'properties' | 'filename'>> {
  const answer = await get(context, from, '')
  const { metadata } = recordIn(await textOf(answer), from)
  const { properties, filename }: { properties?: unknown; filename?: unknown } = Object(metadata)
  const told = Object.entries(Object(properties)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return { properties: Object.fromEntries(told), filename: typeof filename === 'string' ? filename : '' }
}

function recordIn(text: string, { url }: From): { metadata?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch (cause) {
    throw badRequest(`${url} does not give the image`, { cause })
  }
}

interface Kept extends Pick<Fetched, 'size' | 'rootfs' | 'filename'> {
  sha256: string
}

async function keep(context: Fetching, from: From, image: ImageRecord): Promise<Kept> {
  const answer = await get(context, from, '/export')
  const { uuid, project } = image
  const labels = context.labels({ role: 'tarball', uuid, project, origin: image })
  const hash = createHash('sha256')
  let size = 0
  const put = async (file: string, content: Readable): Promise<number> => {
    const options = { labels, maxBytes: from.limit - size }
    const kept = await context.engine.volumes.putFile(imageVolume(uuid), file, hashed(content), options, context.signal)
    size += kept.size
    return kept.size
  }
  const hashed = (content: Readable): Readable => {
    const pass = async function* (): AsyncGenerator<Buffer> {
      // Without an encoding the chunks of a byte stream are Buffers.
      for await (const chunk of content as AsyncIterable<Buffer>) {
        hash.update(chunk)
        context.progress(`Fetch: ${Math.floor(size / 1_000_000)} MB`, 0)
        yield chunk
      }
    }
    return Readable.from(pass(), { objectMode: false })
  }
  try {
    const boundary = boundaryOf(answer.headers['content-type'])
    if (boundary === undefined) {
      await put(KEPT_FILE, answer)
      return { size, sha256: hash.digest('hex'), filename: '' }
    }
    const sizes: number[] = []
    for await (const { name, content } of partsOf(answer, boundary)) {
      if (name !== ['metadata', 'rootfs'][sizes.length])
        throw badRequest(`${from.url} has sent no image of a container`)
      sizes.push(await put(name === 'rootfs' ? ROOTFS_FILE : KEPT_FILE, content))
    }
    const [, rootfs] = sizes
    if (rootfs === undefined) throw badRequest(`${from.url} has sent no image of a container`)
    return { size, rootfs, sha256: hash.digest('hex'), filename: '' }
  } finally {
    answer.destroy()
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_JSON) throw tooLarge('The other server has answered with more than 1 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** What the connection itself comes to is one sentence, so that nobody can look around in a network by it. */
async function get(context: Fetching, from: From, rest: string): Promise<IncomingMessage> {
  const { url, fingerprint, project, certificate } = from
  const query = new URLSearchParams({ project })
  const shown = context.secret as { secret: string } | undefined // written by our own service
  if (shown !== undefined) query.set('secret', shown.secret)
  const target = `${url}/1.0/images/${fingerprint}${rest}?${query.toString()}`
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const sent = request(target, { ...trusting(certificate), agent: false, timeout: SILENCE, signal: context.signal })
  sent.once('response', resolve)
  sent.once('timeout', () => sent.destroy(new Error('It is silent')))
  sent.on('error', reject)
  sent.end()
  const answer = await promise.catch((cause: unknown) => {
    throw badRequest(`No server with the certificate that is wanted answers at ${url}`, { cause })
  })
  if (answer.statusCode === 200) return answer
  // Who has pinned no certificate may be asking anything that answers; what that says is not told.
  if (certificate === '') {
    answer.destroy()
    throw badRequest(`${url} does not give the image`)
  }
  const told = await textOf(answer).catch((failure: unknown) => (isFailure(failure) ? failure.message : ''))
  throw badRequest(`${url} does not give the image: ${errorIn(told) || `status ${answer.statusCode}`}`)
}

/** Just this certificate, whatever name it is for; without one the usual authorities. */
function trusting(certificate: string): RequestOptions {
  if (certificate === '') return {}
  const wanted = parsed(certificate)
  return {
    ca: [certificate],
    allowPartialTrustChain: true,
    // Nothing else that it may have signed.
    checkServerIdentity: (_host, { raw }) => (raw.equals(wanted.raw) ? undefined : new Error('Another certificate')),
  }
}

function parsed(certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch (cause) {
    throw badRequest("The other server's certificate cannot be read", { cause })
  }
}

function errorIn(text: string): string {
  try {
    const { error }: { error?: unknown } = Object(JSON.parse(text))
    return typeof error === 'string' ? error.slice(0, 200) : ''
  } catch {
    return ''
  }
}
