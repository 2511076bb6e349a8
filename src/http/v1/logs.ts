import { Type } from 'typebox'
import { InProject } from '../../contract/query.ts'
import { logUrl } from '../../services/instance-urls.ts'
import type { InstanceLogs } from '../../services/instance-logs.ts'
import { CHANGED, oneOf } from '../accepting.ts'
import { DONE, give, keeping, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { BYTES, sendStream } from '../streams.ts'
import { InstanceParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

export function logRoutes(app: App, { logs }: { logs: InstanceLogs }, root: InstanceRoot): void {
  const all = `/1.0/${root}/:name/logs`
  const listed = {
    ...wordsFor(root, 'listInstanceLogs', 'List the logs of an instance: its console and the output of recorded execs'),
    params: InstanceParams,
    querystring: InProject({}),
    response: oneOf(Type.Array(Type.String(), { examples: [['/1.0/instances/c1/logs/console.log']] })),
  }
  app.get(all, { schema: listed }, async (request) => {
    const where = whereOf(request)
    const names = await logs.list(callerOf(request), where)
    return sync(names.map((name) => logUrl(where, name, root)))
  })

  const about = {
    params: Type.Object({ ...InstanceParams.properties, file: Type.String({ examples: ['console.log'] }) }),
    querystring: InProject({}),
  }
  const read = { ...wordsFor(root, 'getInstanceLog', 'Read a log'), ...about, response: BYTES }
  app.get(`${all}/:file`, { schema: read }, async (request, reply) => {
    const { file } = request.params
    const log = await logs.read(callerOf(request), whereOf(request), file, clientGone(reply))
    return sendStream(reply, { filename: file, ...log })
  })

  const removed = {
    ...wordsFor(root, 'deleteInstanceLog', 'Delete the output of a recorded exec'),
    ...about,
    response: CHANGED,
  }
  app.delete(`${all}/:file`, { schema: removed }, async (request, reply) => {
    await logs.remove(keeping(request, DONE), whereOf(request), request.params.file)
    return give(reply, DONE)
  })
}
