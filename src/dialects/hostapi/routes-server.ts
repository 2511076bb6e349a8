/** Whether the server is well, and how busy its machine is. */
import { Type } from 'typebox'
import { unavailable } from '../../core/failure.ts'
import { readHostFigures } from '../../services/host-figures.ts'
import type { DialectApp, DialectKit } from '../dialect.ts'
import { addRoute } from './paths.ts'
import { Status } from './wire.ts'

export function serverRoutes(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'GET',
    path: '/status',
    words: ['getStatus', 'State of the backend and figures of the machine', 'server'],
    answers: { 200: Status },
    handler: () => statusOf(kit),
  })
  addRoute(app, {
    method: 'GET',
    path: '/health',
    words: ['getHealth', 'Whether all is well; with a token the same as /status', 'server'],
    answers: { 200: Status, 204: Type.Null({ description: 'All is well.' }) },
    config: { open: true },
    handler: async (request, reply) => {
      if (request.visitor !== undefined) return statusOf(kit)
      const missing = await kit.services.server.missing()
      if (missing.length > 0) throw unavailable('Not able to work', { retryAfter: 1 })
      return reply.code(204).send()
    },
  })
}

async function statusOf({ services }: DialectKit): Promise<Status> {
  const [missing, resources] = await Promise.all([services.server.missing(), readHostFigures()])
  const isDown = missing.some((part) => part !== 'workers')
  return { backends: { container: { status: isDown ? 2 : missing.length > 0 ? 1 : 0 } }, resources }
}
