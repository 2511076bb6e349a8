/** `GET /1.0/events`: as LXD's websocket, and as server-sent events for those who ask for them. */
import { Type, type Static } from 'typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from '@fastify/websocket'
import type { ServerResponse } from 'node:http'
import { Event, EVENT_TYPES, type EventType } from '../../contract/event.ts'
import { ref } from '../../contract/named.ts'
import { badRequest } from '../../core/failure.ts'
import { gap, type Events, type Following } from '../../services/events.ts'
import { requireProject, type Caller } from '../../services/caller.ts'
import type { App } from '../app-types.ts'
import { callerOf, listedProject } from '../caller.ts'
import { createReader, type Outlet } from '../slow-reader.ts'

const EventsQuery = Type.Object({
  type: Type.Optional(
    Type.String({
      description: 'operation, lifecycle, logging, separated by commas; all when missing.',
      examples: ['operation'],
    }),
  ),
  project: Type.Optional(Type.String({ examples: ['default'] })),
  'all-projects': Type.Optional(Type.String({ examples: ['true'] })),
  after: Type.Optional(
    Type.String({ description: 'Continue after this event: what `Last-Event-ID` is for the websocket.' }),
  ),
})
type EventsQuery = Static<typeof EventsQuery>

/** Pings keep connections through proxies alive and notice dead ones; milliseconds. */
const KEEPALIVE = 10_000

interface EventsDeps {
  events: Events
  /** Whether the caller of a request may go on listening: asked at each keepalive. */
  isWelcome: (request: FastifyRequest) => Promise<boolean>
}

export function eventRoutes(app: App, deps: EventsDeps): void {
  const streams = new Set<ServerResponse>()
  // Websockets are ended by their plugin; a stream would keep the server from closing.
  app.addHook('preClose', async () => streams.forEach((stream) => stream.end()))
  app.route({
    method: 'GET',
    url: '/1.0/events',
    schema: {
      operationId: 'followEvents',
      summary: 'Follow what happens: a websocket, or server-sent events with `Accept: text/event-stream`',
      description:
        'Server-sent events carry ids; `Last-Event-ID` resumes after one. An event of type `gap` says that some were missed.',
      tags: ['events'],
      querystring: EventsQuery,
      response: { 200: { description: 'One event.', content: { 'text/event-stream': { schema: ref(Event) } } } },
    },
    // Refused before anything is upgraded.
    preHandler: async (request) => deps.events.requireKnown(parseFollowing(request)),
    handler: async (request, reply) => serveStream(deps, request, reply, streams),
    wsHandler: (socket, request) => serveSocket(deps, socket, request),
  })
}

function serveSocket(deps: EventsDeps, socket: WebSocket, request: FastifyRequest): void {
  const outlet: Outlet = {
    send: (text) => socket.send(text),
    buffered: () => socket.bufferedAmount,
    end: () => socket.close(1013, 'too slow'),
    destroy: () => socket.terminate(),
  }
  const stop = follow(deps, request, {
    outlet,
    frame: (_id, event) => JSON.stringify(event),
    ping: () => socket.ping('keepalive'),
  })
  socket.on('close', stop)
  socket.on('error', stop)
}

function serveStream(
  deps: EventsDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  streams: Set<ServerResponse>,
): FastifyReply {
  if (!request.headers.accept?.includes('text/event-stream'))
    throw badRequest('Upgrade to a websocket, or ask for text/event-stream')
  const { raw } = reply
  // A hijacked reply sends none of the headers that hooks have set.
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  reply.hijack()
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  raw.write('retry: 1000\n\n')
  const outlet: Outlet = {
    send: (text) => raw.write(text),
    buffered: () => raw.writableLength,
    end: () => raw.end(),
    destroy: () => raw.destroy(),
  }
  const stop = follow(deps, request, {
    outlet,
    frame: (id, event) => `${id === '' ? '' : `id: ${id}\n`}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
    ping: () => raw.write(': keepalive\n\n'),
  })
  streams.add(raw)
  raw.on('close', () => {
    streams.delete(raw)
    stop()
  })
  raw.on('error', stop)
  return reply
}

interface Form {
  outlet: Outlet
  frame: (id: string, event: Event) => string
  ping: () => void
}

/** Joins the log and one connection; returns the way to stop. */
function follow({ events, isWelcome }: EventsDeps, request: FastifyRequest, { outlet, frame, ping }: Form): () => void {
  const caller: Caller = callerOf(request)
  const leave = (reason: string) => {
    reader.dismiss(frame('', gap(reason)))
    stop()
  }
  const reader = createReader(outlet, () => leave('The reader was too slow'))
  const unfollow = events.follow(caller, parseFollowing(request), {
    event: (id, event) => reader.send(frame(id, event)),
    failed: () => leave('Events could not be read'),
  })
  ping()
  const keepalive = setInterval(() => {
    ping()
    void isWelcome(request).then((welcome) => welcome || leave('not authorized'))
  }, KEEPALIVE)
  const stop = () => {
    clearInterval(keepalive)
    unfollow()
    reader.close()
  }
  return stop
}

function parseFollowing(request: FastifyRequest): Following {
  const query = request.query as EventsQuery // validated by the route's schema
  const words = query.type ? query.type.split(',') : EVENT_TYPES
  const types = words.map((word) => {
    const type = EVENT_TYPES.find((known) => known === word)
    if (type === undefined) throw badRequest(`"${word}" isn't a supported event type`)
    return type
  })
  const project = listedProject({ query })
  if (project !== undefined) requireProject(callerOf(request), project)
  return { types: new Set<EventType>(types), project, after: parseAfter(request, query) }
}

function parseAfter(request: FastifyRequest, query: EventsQuery): string | undefined {
  const after = [request.headers['last-event-id'] ?? query.after ?? []].flat().join('')
  if (after === '') return undefined
  if (!/^[0-9]{1,16}-[0-9]{1,16}$/.test(after)) throw badRequest(`"${after}" is not the id of an event`)
  return after
}
