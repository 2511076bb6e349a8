/** A request for a websocket that another API process has: passed on as it is, then byte for byte both ways. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Duplex } from 'node:stream'
import { unavailable } from '../core/failure.ts'
import { nodeHttp } from '../node-http.ts'

/** Says that a request was passed on already: whoever does not have it either must not pass it on again. */
export const PASSED_ON = 'windlass-passed-on'
/** Milliseconds that the other process has to answer. */
const PATIENCE = 5_000

type Answer = { upgraded: true; head: IncomingMessage; socket: Duplex; early: Buffer } | Refused
interface Refused {
  upgraded: false
  status: number
  body: Buffer
}

/** Tries the addresses in turn. The reply is taken over, or has the other process' refusal. */
export async function passOn(request: FastifyRequest, reply: FastifyReply, addresses: string[]): Promise<FastifyReply> {
  let refused: Refused | undefined
  for (const address of addresses) {
    const answer = await askPeer(address, request).catch(() => undefined)
    if (answer?.upgraded === true) return join(request, reply, answer)
    refused = answer ?? refused
  }
  if (refused === undefined) throw unavailable('The API process that carries this operation does not answer')
  return reply.code(refused.status).type('application/json').send(refused.body)
}

function askPeer(address: string, { raw }: FastifyRequest): Promise<Answer> {
  const options: RequestOptions = {
    path: raw.url,
    headers: { ...raw.headers, [PASSED_ON]: '1' },
    // A connection of its own: it is kept.
    agent: false,
    timeout: PATIENCE,
  }
  const asked = address.startsWith('unix://')
    ? nodeHttp.request({ ...options, socketPath: address.slice('unix://'.length) })
    : nodeHttp.request(address, options)
  return new Promise((resolve, reject) => {
    asked.once('upgrade', (head, socket, early) => resolve({ upgraded: true, head, socket, early }))
    asked.once('response', (response) => {
      buffer(response).then((body) => resolve({ upgraded: false, status: response.statusCode ?? 502, body }), reject)
    })
    asked.once('timeout', () => asked.destroy(new Error('No answer in time')))
    asked.once('error', reject)
    asked.end()
  })
}

function join({ raw }: FastifyRequest, reply: FastifyReply, answer: Extract<Answer, { upgraded: true }>): FastifyReply {
  const { head, socket: there, early } = answer
  const here = raw.socket
  reply.hijack()
  const lines = [`HTTP/1.1 101 ${head.statusMessage ?? 'Switching Protocols'}`]
  for (let at = 0; at + 1 < head.rawHeaders.length; at += 2)
    lines.push(`${head.rawHeaders[at]}: ${head.rawHeaders[at + 1]}`)
  here.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (early.length > 0) here.write(early)
  for (const [one, other] of [
    [here, there],
    [there, here],
  ] as const) {
    one.on('error', () => other.destroy())
    one.once('close', () => other.destroy())
    one.pipe(other)
  }
  return reply
}
