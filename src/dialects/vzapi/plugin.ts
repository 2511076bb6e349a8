import type { Dialect } from '../dialect.ts'
import { answer } from './errors.ts'
import { containerRoutes, jobRoutes } from './routes.ts'

/** go-openvz-api v0.1. */
export const vzapi: Dialect = {
  name: 'vzapi',
  title: 'go-openvz-api',
  description:
    'Containers whose creation is queued: a job tells when it is done. Its other changes are answered when done.',
  roots: ['/v0.1'],
  openable: true,
  routes(app, kit) {
    containerRoutes(app, kit)
    jobRoutes(app, kit)
  },
  answer,
}
