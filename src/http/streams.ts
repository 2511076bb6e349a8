import type { FastifyReply } from 'fastify'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'

/** A file to send: its size in bytes where that is known before. */
export interface Outgoing {
  filename: string
  size: number | undefined
  content: Readable
}

/** Sends bytes as LXD does: octet-stream with the file's name, from which clients take the extension. */
export function sendStream(reply: FastifyReply, { filename, size, content }: Outgoing): FastifyReply {
  reply.header('content-disposition', `inline;filename=${plain(filename)}`)
  if (size !== undefined) reply.header('content-length', size)
  return reply.code(200).type('application/octet-stream').send(content)
}

/** Names are fingerprints, logs and the like; anything else must not break a header. */
function plain(filename: string): string {
  return filename.replace(/[^-\w.]/g, '_')
}

/** Several files one after the other (`multipart/form-data`); each is opened when the one before it has been sent. */
export function sendParts(
  reply: FastifyReply,
  parts: { name: string; open(): Promise<Omit<Outgoing, 'size'>> }[],
): FastifyReply {
  const boundary = randomUUID()
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for (const { name, open } of parts) {
      const { filename, content } = await open()
      const disposition = `form-data; name="${name}"; filename="${plain(filename)}"`
      yield Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${TYPE}\r\n\r\n`)
      // Without an encoding the chunks of a byte stream are Buffers.
      yield* content as AsyncIterable<Buffer>
      yield Buffer.from('\r\n')
    }
    yield Buffer.from(`--${boundary}--\r\n`)
  }
  const body = Readable.from(bytes(), { objectMode: false })
  return reply.code(200).type(`multipart/form-data; boundary=${boundary}`).send(body)
}

const TYPE = 'Content-Type: application/octet-stream'

/** The declared answer of a route that sends bytes. */
export const BYTES = {
  200: {
    description: 'The bytes.',
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  },
}
