import type { FastifyReply } from 'fastify'
import type { Readable } from 'node:stream'

/** A file to send: its size in bytes where that is known before. */
export interface Outgoing {
  filename: string
  size: number | undefined
  content: Readable
}

/** Sends bytes as LXD does: octet-stream with the file's name, from which clients take the extension. */
export function sendStream(reply: FastifyReply, { filename, size, content }: Outgoing): FastifyReply {
  // Names are fingerprints, logs and the like; anything else must not break the header.
  reply.header('content-disposition', `inline;filename=${filename.replace(/[^-\w.]/g, '_')}`)
  if (size !== undefined) reply.header('content-length', size)
  return reply.code(200).type('application/octet-stream').send(content)
}

/** The declared answer of a route that sends bytes. */
export const BYTES = {
  200: {
    description: 'The bytes.',
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  },
}
