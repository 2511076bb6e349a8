/** The host API of ipynbsrv, later coco: `/containers…`, `/health`, `/status`. */
import type { Dialect } from '../dialect.ts'
import { answer } from './errors.ts'
import { lifecycleRoutes } from './lifecycle.ts'
import { containerRoutes } from './routes-containers.ts'
import { imageRoutes } from './routes-images.ts'
import { serverRoutes } from './routes-server.ts'
import { snapshotRoutes } from './routes-snapshots.ts'

export const hostapi: Dialect = {
  name: 'hostapi',
  title: 'hostapi (ipynbsrv, coco)',
  description: `The host API of ipynbsrv (later coco), as it was served from May 2015 on, with the additions of its last generation:
ids in base64, creation for a user (\`uid\`) with \`clone_of\`, snapshots by themselves, \`/health\` and \`/status\`.

What is asked for is done when the answer comes; work that takes too long is answered with 504 and goes on: \`Location\` names its operation.`,
  roots: ['/containers', '/health', '/status'],
  openable: true,
  open: ['/health', '/health/'],
  routes: (app, kit) => {
    serverRoutes(app, kit)
    imageRoutes(app, kit)
    snapshotRoutes(app, kit)
    containerRoutes(app, kit)
    lifecycleRoutes(app, kit)
  },
  answer,
}
