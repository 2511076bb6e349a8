import { InstanceConsolePost } from '../../contract/instance.ts'
import { ref } from '../../contract/named.ts'
import { InProject } from '../../contract/query.ts'
import type { Consoles } from '../../services/consoles.ts'
import type { InstanceLogs } from '../../services/instance-logs.ts'
import type { Operations } from '../../services/operations.ts'
import { ACCEPTED, CHANGED } from '../accepting.ts'
import { accepted, DONE, give, keeping } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { BYTES, sendStream } from '../streams.ts'
import { InstanceParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

interface ConsoleRoutesDeps {
  consoles: Consoles
  logs: InstanceLogs
  operations: Operations
}

export function consoleRoutes(app: App, { consoles, logs, operations }: ConsoleRoutesDeps, root: InstanceRoot): void {
  const path = `/1.0/${root}/:name/console`
  const one = { params: InstanceParams, querystring: InProject({}) }
  const attach = {
    ...wordsFor(root, 'attachInstanceConsole', 'Join the terminal of an instance over websockets'),
    ...one,
    body: ref(InstanceConsolePost),
    response: ACCEPTED,
  }
  app.post(path, { schema: attach }, async (request, reply) =>
    accepted(request, reply, operations, await consoles.attach(callerOf(request), whereOf(request), request.body)),
  )

  const read = { ...wordsFor(root, 'getInstanceConsole', 'Read what the terminal has shown'), ...one, response: BYTES }
  app.get(path, { schema: read }, async (request, reply) => {
    const log = await logs.readConsole(callerOf(request), whereOf(request), clientGone(reply))
    return sendStream(reply, { filename: 'console.log', ...log })
  })

  const cleared = {
    ...wordsFor(root, 'clearInstanceConsole', 'Forget what the terminal has shown'),
    ...one,
    response: CHANGED,
  }
  app.delete(path, { schema: cleared }, async (request, reply) => {
    await logs.clearConsole(keeping(request, DONE), whereOf(request))
    return give(reply, DONE)
  })
}
