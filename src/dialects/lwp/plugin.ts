import type { Dialect } from '../dialect.ts'
import { answer } from './errors.ts'
import { containerRoutes } from './routes.ts'
import { secretOf, tokenRoutes } from './tokens.ts'

/** LXC Web Panel's RestAPI (0.6 to 0.8). */
export const lwp: Dialect = {
  name: 'lwp',
  title: 'LXC Web Panel',
  description: 'The RestAPI of LXC Web Panel: containers and tokens, everything answered when it is done.',
  roots: ['/api/v1'],
  openable: false,
  secretOf,
  securitySchemes: {
    query: { type: 'apiKey', in: 'query', name: 'private_token' },
    header: { type: 'apiKey', in: 'header', name: 'Private-Token' },
  },
  routes(app, kit) {
    containerRoutes(app, kit)
    tokenRoutes(app, kit)
  },
  answer,
}
