import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import { Readiness } from '../../contract/server.ts'
import type { Server } from '../../services/server.ts'
import type { App } from '../app-types.ts'

/** Bare shapes, open to everyone: what supervisors and load balancers ask. */
export function healthRoutes(app: App, { server }: { server: Server }): void {
  const config = { open: true }
  const alive = {
    schema: {
      operationId: 'getHealth',
      summary: 'Whether this process answers',
      tags: ['health'],
      response: { 200: Type.Object({ status: Type.Literal('ok') }) },
    },
    config,
  }
  app.get('/healthz', alive, async () => ({ status: 'ok' as const }))

  const ready = {
    schema: {
      operationId: 'getReadiness',
      summary: 'Whether Redis, the engine and at least one worker are there',
      tags: ['health'],
      response: { 200: ref(Readiness), 503: ref(Readiness) },
    },
    config,
  }
  app.get('/readyz', ready, async (request, reply) => {
    const missing = await server.missing()
    if (missing.length === 0) return { status: 'ok' as const }
    reply.code(503).header('retry-after', '1')
    // What is missing is nobody's business who has no token.
    return { status: 'unavailable' as const, ...(request.visitor !== undefined && { missing }) }
  })
}
