import { ref } from '../../contract/named.ts'
import { Readiness } from '../../contract/server.ts'
import type { Server } from '../../services/server.ts'
import type { App } from '../app-types.ts'

/** Bare shapes, open to everyone: what supervisors and load balancers ask. */
export function healthRoutes(app: App, { server }: { server: Server }): void {
  for (const [url, operationId, summary] of [
    ['/healthz', 'getHealth', 'Whether Redis, the engine and at least one worker are there'],
    ['/readyz', 'getReadiness', 'The same, under the name that load balancers ask for'],
  ] as const) {
    const schema = { operationId, summary, tags: ['health'], response: { 200: ref(Readiness), 503: ref(Readiness) } }
    app.get(url, { schema, config: { open: true } }, async (request, reply) => {
      const missing = await server.missing()
      if (missing.length === 0) return { status: 'ok' as const }
      reply.code(503).header('retry-after', '1')
      // What is missing is nobody's business who has no token.
      return { status: 'unavailable' as const, ...(request.visitor !== undefined && { missing }) }
    })
  }
}
