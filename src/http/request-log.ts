import type { App } from './app-types.ts'

const TALKATIVE = new Set(['debug', 'trace'])

/** A line for each answered request, at level debug only. The route, not the URL: a query may hold a secret. */
export function logRequests(app: App): void {
  // Hooks cost time even where nothing is written.
  if (!TALKATIVE.has(app.log.level)) return
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request
    const fields = { method, route: routeOptions.url, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }
    request.log.debug(fields, 'Request')
    done()
  })
}
