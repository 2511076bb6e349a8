/**
 * What the server is compared with, as a process of its own. `bare.ts serve SOCKET REDIS`: Fastify without anything,
 * with a route that answers a given body, one that stores what it gets with a single SET, and one that has the core
 * record and queue an operation, without anything that asks whether it may; bodies that are named as routes of LXD answer
 * these. `bare.ts idle`: the libraries of a worker, loaded and unused.
 */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { randomUUID } from 'node:crypto'

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
  let core: ReturnType<typeof openCore> | undefined
  app.post<{ Params: { name: string } }>('/accept/:name', async (request, reply) => {
    const accept = await (core ??= openCore(redisSocket))
    await accept(request.body)
    reply.code(202)
    return bodies.get(request.params.name)
  })
  await app.listen({ path: socket })
}

/**
 * Operations as the product keeps and queues them, in a deployment that nobody else looks at. Loaded when it is first
 * asked for: the memory of a process that is not is compared, too.
 */
async function openCore(redisSocket: string): Promise<(input: unknown) => Promise<void>> {
  const [{ openRedis }, { openJobQueue }, { makeKeys }, { createRedisOperationStore }, { acceptance }] =
    await Promise.all([
      import('../../src/redis/connection.ts'),
      import('../../src/redis/job-queue.ts'),
      import('../../src/redis/keys.ts'),
      import('../../src/redis/operation-store.ts'),
      import('../ports/samples.ts'),
    ])
  const onError = (error: unknown): never => {
    throw error
  }
  const connection = openRedis({ path: redisSocket, role: 'api', onError })
  const database = { connection, keys: makeKeys(randomUUID()) }
  const store = createRedisOperationStore(database)
  const queue = openJobQueue({ ...database, onError })
  return async (input) => {
    const claimed = randomUUID()
    const names = [{ noun: 'instance', scope: 'default', name: claimed } as const]
    const busy = [{ key: `instance:${claimed}`, mode: 'own', action: 'creating' } as const]
    const { operation } = acceptance({}, { input, id: claimed })
    await store.accept({ operation, names, busy, changes: [] })
    void queue.add(operation.member, { id: operation.id, kind: operation.kind, epoch: 1 }).catch(onError)
  }
}

async function idle(): Promise<void> {
  await Promise.all([import('bullmq'), import('dockerode')])
  process.on('message', () => undefined)
}

const [command, socket = '', redisSocket = ''] = process.argv.slice(2)
await (command === 'serve' ? serve(socket, redisSocket) : idle())
process.send?.('ready')
