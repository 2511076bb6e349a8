import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ImageRecord } from '../../src/contract/records.ts'
import { badRequest, notFound } from '../../src/core/failure.ts'
import { KEPT_FILE, ROOTFS_FILE } from '../../src/core/kept-files.ts'
import { multipartOf } from '../../src/core/multipart.ts'
import { talk, type Line } from '../other-server.ts'
import type { Context, Handler } from '../steps.ts'

type Pushing = Context<'image.push'>

/** What the other server makes of the image. */
interface Sent {
  id: string
  secret: string
}

/** Sends an image to another server, which expects it by a secret, and waits until it is one there. */
export const imagePush: Handler<'image.push'> = {
  steps: [
    { name: 'send', run: (context) => talk(context.input.target, context.signal, (line) => send(context, line)) },
    { name: 'wait', run: (context) => talk(context.input.target, context.signal, (line) => arrival(context, line)) },
  ],
  finish: async ({ input }) => ({ changes: [], context: { target: input.target.url } }),
}

/** Once, however often it is sent, where the other server knows repeats by their key. */
async function send(context: Pushing, line: Line): Promise<Sent> {
  const { input, operation } = context
  const image = await context.records.get('image', input.image)
  if (image === undefined) throw notFound('Image not found')
  const { secret } = context.secret as { secret: string } // written by our own service
  const { type, body } = await bodyOf(context, image)
  let size = 0
  const see = (chunk: Buffer): void => {
    size += chunk.length
    context.progress(`Push: ${Math.floor(size / 1_000_000)} MB`, image.size > 0 ? (100 * size) / image.size : 0)
  }
  const query = new URLSearchParams({ project: input.project })
  const headers = {
    'content-type': type,
    'idempotency-key': operation.id,
    'x-lxd-filename': image.filename,
    'x-lxd-fingerprint': input.name,
    'x-lxd-secret': secret,
  }
  const asking = { method: 'POST', headers, body: line.moving(body, see) }
  const answer = await line.ask(`/1.0/images?${query.toString()}`, asking).finally(() => void body.destroy())
  if (answer.statusCode !== 202 && answer.statusCode !== 200)
    throw badRequest(`${input.target.url} does not take the image${await line.refusal(answer)}`)
  const { id, metadata } = await line.metadataOf(answer)
  const own: unknown = Object(metadata).secret
  return { id: String(id), secret: typeof own === 'string' ? own : '' }
}

async function bodyOf(context: Pushing, image: ImageRecord): Promise<{ type: string; body: Readable }> {
  const { uuid, project, name, rootfs } = image
  const labels = context.labels({ role: 'helper', uuid, project })
  const open = async (file: string): Promise<{ filename: string; content: Readable }> => {
    const kept = await context.engine.volumes.getFile(image.tarball, file, labels, context.signal)
    if (kept === undefined) throw notFound(`The tarball of image ${name} is gone from the engine`)
    return { filename: image.filename || name, content: kept.content }
  }
  if (rootfs === undefined) return { type: 'application/octet-stream', body: (await open(KEPT_FILE)).content }
  const boundary = randomUUID()
  const parts = [
    { name: 'metadata', open: () => open(KEPT_FILE) },
    { name: 'rootfs', open: () => open(ROOTFS_FILE) },
  ]
  return { type: `multipart/form-data; boundary=${boundary}`, body: multipartOf(parts, boundary) }
}

/** Seconds of one look at the other server's operation. */
const LOOK = 30
const SUCCESS = 200

async function arrival(context: Pushing, line: Line): Promise<void> {
  const { id, secret } = context.note('send') as Sent // the step's own note
  const { url } = context.input.target
  const query = new URLSearchParams({ secret, timeout: String(LOOK) })
  for (;;) {
    const answer = await line.ask(`/1.0/operations/${encodeURIComponent(id)}/wait?${query.toString()}`)
    if (answer.statusCode !== 200)
      throw badRequest(`${url} does not tell what became of the image${await line.refusal(answer)}`)
    const { status_code: code, err } = await line.metadataOf(answer)
    if (code === SUCCESS) return
    if (typeof code !== 'number' || code > SUCCESS)
      throw badRequest(`${url} has not made an image of it: ${typeof err === 'string' ? err.slice(0, 200) : ''}`)
  }
}
