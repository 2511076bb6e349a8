import type { Dialect } from '../dialect.ts'
import { answer } from './errors.ts'
import { containerRoutes } from './routes.ts'
import { operationRoutes } from './routes-operations.ts'

/** The API for OpenVZ of openvz-daemon, after LXD's of 2015. */
export const vz: Dialect = {
  name: 'vz',
  title: 'API for OpenVZ',
  description: 'Containers by number, after the API of LXD: what changes them goes on in the background.',
  roots: ['/1.0/vz'],
  openable: false,
  routes(app, kit) {
    containerRoutes(app, kit)
    operationRoutes(app, kit)
  },
  answer,
}
