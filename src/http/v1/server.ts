import { Type } from 'typebox'
import { Nothing, Sync } from '../../contract/envelope.ts'
import { ref } from '../../contract/named.ts'
import { InProject } from '../../contract/query.ts'
import { Resources, ServerPut, ServerView } from '../../contract/server.ts'
import type { Server } from '../../services/server.ts'
import { taggedOne } from '../accepting.ts'
import { DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'

const tags = ['server']

export function serverRoutes(app: App, { server }: { server: Server }): void {
  const versions = {
    schema: {
      operationId: 'listVersions',
      summary: 'List the versions of the API',
      tags,
      response: { 200: Sync(Type.Array(Type.String(), { examples: [['/1.0']] })) },
    },
    config: { open: true },
  }
  app.get('/', versions, async () => sync(['/1.0']))

  const texts = new WeakMap<ServerView, string>()

  const viewed = {
    schema: {
      operationId: 'getServer',
      summary: 'Read what the server is and can do; less of it without a token',
      tags,
      querystring: InProject({}),
      response: taggedOne(ref(ServerView)),
    },
    config: { open: true },
  }
  app.get('/1.0', viewed, async (request, reply) => {
    const { view, etag } = await server.view(request.visitor, request.query.project || 'default')
    // Asked by every client before anything else, and mostly the same: rendered once.
    reply.type('application/json').serializer((answer: unknown) => {
      const text = texts.get(view) ?? JSON.stringify(answer)
      texts.set(view, text)
      return text
    })
    return tagged(reply, etag, view)
  })

  const changed = (operationId: string, summary: string) => ({
    schema: { operationId, summary, tags, body: ref(ServerPut), response: { 200: Sync(Nothing) } },
  })
  app.put('/1.0', changed('putServer', "Set the server's settings"), async (request, reply) => {
    await server.update(keeping(request, DONE), request.body, { replace: true, ifMatch: request.headers['if-match'] })
    return give(reply, DONE)
  })
  app.patch('/1.0', changed('patchServer', "Change some of the server's settings"), async (request, reply) => {
    await server.update(keeping(request, DONE), request.body, { replace: false, ifMatch: request.headers['if-match'] })
    return give(reply, DONE)
  })

  const resources = {
    schema: {
      operationId: 'getResources',
      summary: "Read what the engine's machine has",
      tags,
      querystring: InProject({}),
      response: { 200: Sync(ref(Resources)) },
    },
  }
  app.get('/1.0/resources', resources, async () => sync(await server.resources()))
}
