/** What every request of the native API passes first: who asks, and whether we are able to answer. */
import type { FastifyRequest } from 'fastify'
import { forbidden, notFound, unavailable } from '../core/failure.ts'
import type { Events } from '../services/events.ts'
import type { App } from './app-types.ts'
import { answerFailure, fromFramework } from './errors.ts'
import { identify, type Credentials } from './caller.ts'

/** How good what this process knows is: `stale` while Redis is away, `lost` when that has lasted too long. */
export type Freshness = 'fresh' | 'stale' | 'lost'

interface GateDeps extends Credentials {
  events: Pick<Events, 'cursor'>
  freshness: () => Freshness
}

export function guard(app: App, { events, freshness, ...credentials }: GateDeps): void {
  app.decorateRequest('visitor', undefined)
  app.decorateRequest('eventCursor', '')
  app.decorateRequest('bodyHash', undefined)
  tellWhenStale(app, freshness)
  doubtWhenStale(app, freshness)
  app.addHook('onRequest', async (request: FastifyRequest) => {
    // The router takes a trailing slash for a parameter without a value.
    if (Object.values(Object(request.params)).includes('')) throw notFound('not found')
    const { open } = request.routeOptions.config
    if (freshness() === 'lost' && open !== true) throw unavailable('Redis does not answer', { retryAfter: 1 })
    request.visitor = await identify(request, credentials)
    if (request.visitor === undefined && !open) throw forbidden('not authorized')
    request.eventCursor = events.cursor()
  })
}

/** Says so while answers come from memory, and refuses all but what is open when that has lasted too long. */
export function refuseWhenLost(app: App, freshness: () => Freshness): void {
  tellWhenStale(app, freshness)
  app.addHook('onRequest', async (request: FastifyRequest) => {
    if (freshness() === 'lost' && request.routeOptions.config.open !== true)
      throw unavailable('Redis does not answer', { retryAfter: 1 })
  })
}

/** What memory does not know while Redis is away may well be there: whoever asks for it is to come again. */
function doubtWhenStale(app: App, freshness: () => Freshness): void {
  app.setErrorHandler((thrown: Error, request, reply) => {
    const isDoubtful = fromFramework(thrown).code === 'not-found' && freshness() === 'stale'
    return answerFailure(isDoubtful ? unavailable('The database does not answer') : thrown, request, reply)
  })
}

/** Said at the end: only what the request itself has read shows whether Redis is away, or back. */
function tellWhenStale(app: App, freshness: () => Freshness): void {
  app.addHook('onSend', async (_request, reply) => {
    if (freshness() === 'stale') reply.header('warning', '110 windlass "Response is Stale"')
  })
}
