import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest, InjectOptions } from 'fastify'
import { expect } from 'vitest'
import { buildApp, type Services } from '../../src/app.ts'
import { systemClock } from '../../src/clock.ts'
import type { Engine } from '../../src/core/engine.ts'
import { unavailable } from '../../src/core/failure.ts'
import type { Clock, JobQueue, OperationStore, RecordStore } from '../../src/core/ports.ts'
import type { Freshness } from '../../src/http/gate.ts'
import { openRedis } from '../../src/redis/connection.ts'
import { openEventBus } from '../../src/redis/event-bus.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { createRedisOperationStore } from '../../src/redis/operation-store.ts'
import { createRedisRecordStore } from '../../src/redis/record-store.ts'
import { createCertificates } from '../../src/services/certificates.ts'
import { createEvents } from '../../src/services/events.ts'
import { createGuesses } from '../../src/services/guesses.ts'
import type { HttpsFacts } from '../../src/services/https-facts.ts'
import { createOperations } from '../../src/services/operations.ts'
import { createServer } from '../../src/services/server.ts'
import { createTokens } from '../../src/services/tokens.ts'
import { createTrust, type Trust } from '../../src/services/trust.ts'
import { createWaits } from '../../src/services/waits.ts'
import { createWarnings } from '../../src/services/warnings.ts'
import { createWrites } from '../../src/services/writes.ts'
import { absent } from './absent.ts'
import { startRedis, type TestRedis } from './redis.ts'

/** The application over a real Redis, without workers; the engine answers what a test lets it answer. */
export interface TestApi extends AsyncDisposable {
  readonly app: ReturnType<typeof buildApp>
  readonly redis: TestRedis
  readonly store: OperationStore
  readonly records: RecordStore
  readonly services: Services
  readonly trust: Trust
  /** What the queue is said to hold. */
  readonly counts: { waiting: number; active: number; workers: number }
  freshness: Freshness
  /** A request with the admin's token. */
  call(request: InjectOptions): Promise<Answer>
  /** A request with this token, or none. */
  callAs(token: string | undefined, request: InjectOptions): Promise<Answer>
  /** Makes a token of a role. */
  token(role: 'viewer' | 'operator' | 'admin', projects?: string[]): Promise<string>
}

export interface Answer {
  status: number
  headers: Record<string, string | number | string[] | undefined>
  /** Decoded JSON, or the text. */
  body: unknown
}

/** Nouns that a test brings along itself. */
const ABSENT = {
  instances: absent<Services['instances']>('instances'),
  imports: absent<Services['imports']>('imports'),
  snapshots: absent<Services['snapshots']>('snapshots'),
  backups: absent<Services['backups']>('backups'),
  logs: absent<Services['logs']>('logs'),
  consoles: absent<Services['consoles']>('consoles'),
  metadata: absent<Services['metadata']>('metadata'),
  files: absent<Services['files']>('files'),
  streams: absent<Services['streams']>('streams'),
  images: absent<Services['images']>('images'),
  aliases: absent<Services['aliases']>('aliases'),
  profiles: absent<Services['profiles']>('profiles'),
  networks: absent<Services['networks']>('networks'),
  projects: absent<Services['projects']>('projects'),
  storage: absent<Services['storage']>('storage'),
  volumes: absent<Services['volumes']>('volumes'),
  volumeCopies: absent<Services['volumeCopies']>('volumeCopies'),
  volumeSnapshots: absent<Services['volumeSnapshots']>('volumeSnapshots'),
  volumeBackups: absent<Services['volumeBackups']>('volumeBackups'),
  volumeImports: absent<Services['volumeImports']>('volumeImports'),
  directory: absent<Services['directory']>('directory'),
  nicknames: absent<Services['nicknames']>('nicknames'),
  imageNames: absent<Services['imageNames']>('imageNames'),
  commands: absent<Services['commands']>('commands'),
  reconciling: absent<Services['reconciling']>('reconciling'),
  runStates: absent<Services['runStates']>('runStates'),
  statsHistory: absent<Services['statsHistory']>('statsHistory'),
}

export const ADMIN_TOKEN = 'the admin token of the tests'.replaceAll(' ', '-')

export interface TestApiOptions {
  engine?: Partial<Engine>
  /** In place of the machine's. */
  clock?: Clock
  /** What is told of an HTTPS listener. */
  https?: HttpsFacts
  /** Services in place of those that are absent. */
  services?: (own: Services) => Partial<Services>
}

/** Starts it; `engine` answers in place of Docker. */
export async function startApi(options: TestApiOptions = {}): Promise<TestApi> {
  const redis = await startRedis({ appendfsync: 'everysec' })
  const connect = (role: 'api' | 'subscriber') => openRedis({ path: redis.socket, role, onError: () => undefined })
  const [connection, subscriber] = [connect('api'), connect('subscriber')]
  await connection.ready(10_000)
  const database = { connection, keys: makeKeys(randomUUID()) }
  const bus = openEventBus({ database, subscriber, onGap: () => undefined, onError: () => undefined })
  await bus.ready
  const store = createRedisOperationStore(database)
  const records = createRedisRecordStore(database)
  const waits = createWaits({ bus, store, longest: 600_000 })
  const counts = { waiting: 0, active: 0, workers: 1 }
  const queue = absent<JobQueue>('queue', {
    add: async () => undefined,
    drop: async () => undefined,
    // As the real one it needs Redis.
    counts: async () => connection.run(async (client) => (await client.ping(), counts)),
  })
  const { clock = systemClock } = options
  const engine = absent<Engine>('engine', {
    member: 'local',
    ping: async () => undefined,
    info: () => Promise.reject(unavailable('The engine is away')),
    ...options.engine,
  })
  const events = createEvents({ bus, records })
  const https = () => options.https
  const operations = createOperations({
    store,
    queue,
    waits,
    clock,
    // An hour ago.
    birth: clock.now() - 3_600_000,
    retention: 60_000,
    onQueueFailure: () => undefined,
  })
  const guesses = {
    tokens: createGuesses({ clock, burst: 20, every: 1_000 }),
    passwords: createGuesses({ clock, burst: 5, every: 1_000 }),
  }
  const trust = createTrust({ operations, store, records, clock, guesses, https, member: 'local' })
  const services: Services = {
    operations,
    events,
    server: createServer({ engine, records, store, queue, clock, version: '0.1.0', https }),
    tokens: createTokens({ records, clock, guesses: guesses.tokens }),
    certificates: createCertificates({ records, write: createWrites({ records, clock }), clock, trust }),
    warnings: createWarnings({ records, clock }),
    records,
    ...ABSENT,
  }
  Object.assign(services, options.services?.(services))
  await services.tokens.adopt('admin', ADMIN_TOKEN, 'admin')
  const holder: { freshness: Freshness } = { freshness: 'fresh' }
  const app = buildApp({ services, options: { version: '0.1.0', freshness: () => holder.freshness } })
  checkAnswers(app)
  await app.ready()

  const callAs = async (token: string | undefined, request: InjectOptions): Promise<Answer> => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await app.inject({ ...request, headers: { ...authorization, ...request.headers } })
    const isJson = response.body !== '' && String(response.headers['content-type']).startsWith('application/json')
    const body: unknown = isJson ? response.json() : response.body
    return { status: response.statusCode, headers: response.headers, body }
  }
  return Object.assign(holder, {
    app,
    redis,
    store,
    records,
    services,
    trust,
    counts,
    callAs,
    call: (request: InjectOptions) => callAs(ADMIN_TOKEN, request),
    token: async (role: 'viewer' | 'operator' | 'admin', projects?: string[]) => {
      const secret = `${role}-${randomUUID()}`
      const name = `t-${randomUUID()}`
      await services.tokens.adopt(name, secret, role)
      const record = await records.find('token', '', name)
      if (record === undefined) throw unavailable('The token was not written')
      if (projects !== undefined)
        await records.write({
          changes: [{ change: 'put', noun: 'token', record: { ...record, projects } }],
          at: Date.now(),
        })
      return secret
    },
    [Symbol.asyncDispose]: async () => {
      await app.close()
      waits.close()
      events.close()
      // What ioredis is asked before it has connected again it forgets where it is closed: nobody would ever be answered.
      await subscriber.ready(5_000).catch(() => undefined)
      await bus.close()
      connection.close()
      await redis[Symbol.asyncDispose]()
    },
  })
}

/** Every JSON answer is compared with what its route declares. */
export function checkAnswers(app: ReturnType<typeof buildApp>): void {
  app.addHook('preSerialization', async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const declared: Record<string, object> = Object(request.routeOptions.schema?.response)
    if (Object.keys(declared).length === 0) return payload
    const schema = declared[reply.statusCode] ?? declared[`${String(reply.statusCode)[0]}xx`]
    expect(schema, `${request.method} ${request.routeOptions.url} declares ${reply.statusCode}`).toBeDefined()
    const check = request.compileValidationSchema(plainSchema(schema ?? {}))
    const fits = check(JSON.parse(JSON.stringify(payload)))
    expect(fits ? [] : check.errors, `${request.method} ${request.url} answers as declared`).toEqual([])
    return payload
  })
}

/** A declared answer without what only the OpenAPI document needs. */
function plainSchema(declared: { headers?: unknown; content?: Record<string, { schema: object }> }): object {
  const { headers: _headers, content, ...plain } = declared
  return content?.['application/json']?.schema ?? plain
}
