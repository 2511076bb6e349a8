import type { FastifyReply } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { multipartOf, plainName, type Outgoing as OutgoingPart } from '../core/multipart.ts'

/** A file to send: its size in bytes where that is known before. */
export interface Outgoing {
  filename: string
  size: number | undefined
  content: Readable
}

/** Sends bytes as LXD does: octet-stream with the file's name, from which clients take the extension. */
export function sendStream(reply: FastifyReply, { filename, size, content }: Outgoing): FastifyReply {
  reply.header('content-disposition', `inline;filename=${plainName(filename)}`)
  if (size !== undefined) reply.header('content-length', size)
  return reply.code(200).type('application/octet-stream').send(content)
}

/** Several files one after the other (`multipart/form-data`). */
export function sendParts(reply: FastifyReply, parts: OutgoingPart[]): FastifyReply {
  const boundary = randomUUID()
  return reply.code(200).type(`multipart/form-data; boundary=${boundary}`).send(multipartOf(parts, boundary))
}

const bytes = { schema: { type: 'string', format: 'binary' } }

/** The declared answer of a route that sends bytes. */
export const BYTES = { 200: { description: 'The bytes.', content: { 'application/octet-stream': bytes } } }

/** The declared answer of a route that sends one file or several. */
export const PARTS = {
  200: {
    description: 'The bytes; of an image in two files these as parts, `metadata` and then `rootfs`.',
    content: { 'application/octet-stream': bytes, 'multipart/form-data': bytes },
  },
}
