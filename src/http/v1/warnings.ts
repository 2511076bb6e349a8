import { Type } from 'typebox'
import { Nothing, Sync, Urls } from '../../contract/envelope.ts'
import { ref } from '../../contract/named.ts'
import { ListQuery } from '../../contract/query.ts'
import { Warning, WarningPut } from '../../contract/warning.ts'
import type { Warnings } from '../../services/warnings.ts'
import { DONE, give, keeping, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['warnings']
const One = Type.Object({ uuid: Type.String() })

export function warningRoutes(app: App, { warnings }: { warnings: Warnings }): void {
  const listed = {
    schema: {
      operationId: 'listWarnings',
      summary: 'List warnings',
      tags,
      querystring: ListQuery({}),
      response: { 200: Sync(Type.Union([Urls, Type.Array(ref(Warning))])) },
    },
  }
  app.get('/1.0/warnings', listed, async (request) => {
    const { query } = request
    const all = await warnings.list(callerOf(request), query.project || undefined)
    return recursionOf(query) === 0 ? sync(all.map(({ uuid }) => `/1.0/warnings/${uuid}`)) : sync(all)
  })

  const got = {
    schema: {
      operationId: 'getWarning',
      summary: 'Read a warning',
      tags,
      params: One,
      response: { 200: Sync(ref(Warning)) },
    },
  }
  app.get('/1.0/warnings/:uuid', got, async (request) =>
    sync(await warnings.get(callerOf(request), request.params.uuid)),
  )

  const changed = (operationId: string, summary: string) => ({
    schema: { operationId, summary, tags, params: One, body: ref(WarningPut), response: { 200: Sync(Nothing) } },
  })
  app.put('/1.0/warnings/:uuid', changed('putWarning', 'Acknowledge a warning'), async (request, reply) => {
    await warnings.update(keeping(request, DONE), request.params.uuid, request.body)
    return give(reply, DONE)
  })
  app.patch('/1.0/warnings/:uuid', changed('patchWarning', 'Acknowledge a warning'), async (request, reply) => {
    await warnings.update(keeping(request, DONE), request.params.uuid, request.body)
    return give(reply, DONE)
  })

  const removed = {
    schema: {
      operationId: 'deleteWarning',
      summary: 'Forget a warning',
      tags,
      params: One,
      response: { 200: Sync(Nothing) },
    },
  }
  app.delete('/1.0/warnings/:uuid', removed, async (request, reply) => {
    await warnings.remove(keeping(request, DONE), request.params.uuid)
    return give(reply, DONE)
  })
}
