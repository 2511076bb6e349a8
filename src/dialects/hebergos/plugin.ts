/** HebergOS docker link: containers, their figures, and git in them. No authentication of its own. */
import type { Dialect, DialectApp, DialectKit } from '../dialect.ts'
import { bothSlashes } from '../dialect.ts'
import { answer } from './errors.ts'
import { addRoute } from './paths.ts'
import { containerRoutes } from './routes-containers.ts'
import { gitRoutes } from './routes-git.ts'
import * as wire from './wire.ts'

export const hebergos: Dialect = {
  name: 'hebergos',
  title: 'HebergOS docker link',
  description: `Containers of HebergOS docker link: the first revision under \`/v1/container/\`, what later ones added beside it.

Parameters stand in the query, also of a POST, whose body is not looked at. Refusals are plain text.`,
  roots: ['/v1/container', '/v1/git', '/v1/env'],
  openable: true,
  routes: (app, kit) => {
    environmentRoute(app, kit)
    containerRoutes(app, kit)
    gitRoutes(app, kit)
  },
  answer,
}

function environmentRoute(app: DialectApp, { settings }: DialectKit): void {
  const { engine, portArea, image } = settings.hebergos
  addRoute(app, {
    method: 'GET',
    paths: bothSlashes('/v1/env'),
    words: ['readEnvironment', 'Settings of the server (later revisions)', 'server'],
    answers: { 200: wire.Env },
    handler: async () => ({ docker_sock: engine, port_area_size: String(portArea), base_image: image }),
  })
}
