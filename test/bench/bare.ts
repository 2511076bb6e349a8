/**
 * What the server is compared with, as a process of its own. `bare.ts serve SOCKET REDIS`: Fastify without anything,
 * with a route that answers a given body and one that stores what it gets with a single SET; bodies that are named as
 * routes of LXD answer these. `bare.ts idle`: the libraries of a worker, loaded and unused.
 */
import Fastify from 'fastify'
import { Redis } from 'ioredis'

async function serve(socket: string, redisSocket: string): Promise<void> {
  const redis = new Redis(redisSocket)
  const app = Fastify({ logger: false, bodyLimit: 2 ** 26 })
  const bodies = new Map<string, unknown>()
  let stored = 0
  app.put<{ Params: { name: string } }>('/bodies/:name', (request) => {
    bodies.set(request.params.name, request.body)
    return {}
  })
  app.get<{ Params: { name: string } }>('/bodies/:name', (request) => bodies.get(request.params.name))
  app.get('/1.0', () => bodies.get('1.0'))
  app.get('/1.0/instances', () => bodies.get('instances'))
  app.post<{ Params: { name: string } }>('/store/:name', async (request, reply) => {
    await redis.set(`bare:${stored++}`, JSON.stringify(request.body))
    reply.code(202)
    return bodies.get(request.params.name)
  })
  await app.listen({ path: socket })
}

async function idle(): Promise<void> {
  await Promise.all([import('bullmq'), import('dockerode')])
  process.on('message', () => undefined)
}

const [command, socket = '', redisSocket = ''] = process.argv.slice(2)
await (command === 'serve' ? serve(socket, redisSocket) : idle())
process.send?.('ready')
