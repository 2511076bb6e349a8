/** An image of another server of LXD's API, brought into a volume: its record and its files over HTTPS. */
import type { IncomingMessage } from 'node:http'
import type { ImageRecord } from '../src/contract/records.ts'
import { badRequest } from '../src/core/failure.ts'
import { imagePartsOf, keepParts } from '../src/core/image-parts.ts'
import { imageVolume } from '../src/core/kept-files.ts'
import type { Kind } from '../src/operations/catalog.ts'
import type { ImageFetch } from '../src/operations/inputs.ts'
import { dropVolume } from './images.ts'
import { talk, type Line } from './other-server.ts'
import type { Context } from './steps.ts'

/** What was fetched, or what was found to be here already. */
export type Fetched = { known: ImageRecord } | Pick<ImageRecord, 'name' | 'size' | 'filename' | 'properties' | 'rootfs'>

const FINGERPRINT = /^[0-9a-f]{64}$/

/**
 * Fetches again from the beginning what an earlier attempt has not noted; what the project has already is not fetched.
 * Bad-request for what is not what it is said to be.
 */
export async function fetchImage(context: Context<Kind>, image: ImageRecord, from: ImageFetch): Promise<Fetched> {
  const { origin } = from
  await dropVolume(context, imageVolume(image.uuid))
  return talk(origin, context.signal, async (line) => {
    const there = await describe(context, line, from)
    const known = await context.records.find('image', image.project, there.name)
    if (known !== undefined) return { known }
    const { sha256, size, rootfs } = await keep(context, line, { from, image: { ...image, name: there.name } })
    if (sha256 !== there.name)
      throw badRequest(
        `The files of the image at ${origin.url} have the fingerprint ${sha256}, not ${there.name}: an image ` +
          'that was pulled from a registry is pulled from there by each server',
      )
    return { ...there, size, ...(rootfs !== undefined && { rootfs }) }
  })
}

/** The image's record there, found as LXD finds it: by an alias, else by its fingerprint or the beginning of one. */
async function describe(context: Context<Kind>, line: Line, from: ImageFetch) {
  const { image, url } = from.origin
  const target = shown(context) === undefined ? await targetOf(line, from) : undefined
  const wanted = target ?? image
  const metadata = await line.metadataOf(await get(context, line, { from, name: wanted }))
  const { fingerprint, properties, filename } = metadata
  const isIt = typeof fingerprint === 'string' && FINGERPRINT.test(fingerprint) && fingerprint.startsWith(wanted)
  if (!isIt) throw badRequest(`${url} gives another image than the one that is wanted`)
  const told = Object.entries(Object(properties)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return {
    name: fingerprint,
    properties: Object.fromEntries(told),
    filename: typeof filename === 'string' ? filename : '',
  }
}

/** What an alias leads to; undefined where the name is none. */
async function targetOf(line: Line, { origin: { image, project } }: ImageFetch): Promise<string | undefined> {
  if (FINGERPRINT.test(image)) return undefined
  const query = new URLSearchParams({ project })
  const answer = await line.ask(`/1.0/images/aliases/${encodeURIComponent(image)}?${query.toString()}`)
  if (answer.statusCode !== 200) {
    answer.destroy()
    return undefined
  }
  const { target } = await line.metadataOf(answer)
  return typeof target === 'string' ? target : undefined
}

async function keep(context: Context<Kind>, line: Line, { from, image }: { from: ImageFetch; image: ImageRecord }) {
  const answer = await get(context, line, { from, name: image.name, rest: '/export' })
  const { uuid, project } = image
  const labels = context.labels({ role: 'tarball', uuid, project, origin: image })
  let size = 0
  const see = (chunk: Buffer): void => {
    size += chunk.length
    context.progress(`Fetch: ${Math.floor(size / 1_000_000)} MB`, 0)
  }
  try {
    const parts = imagePartsOf(line.moving(answer, see), answer.headers['content-type'])
    return await keepParts(parts, (file, content, used) => {
      const options = { labels, maxBytes: from.limit - used }
      return context.engine.volumes.putFile(imageVolume(uuid), file, content, options, context.signal)
    })
  } finally {
    answer.destroy()
  }
}

interface Wanted {
  from: ImageFetch
  name: string
  /** Of the path, behind the image. */
  rest?: string
}

async function get(context: Context<Kind>, line: Line, { from, name, rest = '' }: Wanted) {
  const { url, project } = from.origin
  const secret = shown(context)
  const query = new URLSearchParams({ project, ...(secret !== undefined && { secret }) })
  const answer: IncomingMessage = await line.ask(`/1.0/images/${encodeURIComponent(name)}${rest}?${query.toString()}`)
  if (answer.statusCode === 200) return answer
  throw badRequest(`${url} does not give the image${await line.refusal(answer)}`)
}

/** The secret of an image that is not public. */
function shown(context: Context<Kind>): string | undefined {
  return (context.secret as { secret: string } | undefined)?.secret // written by our own service
}
