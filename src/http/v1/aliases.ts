import { Type } from 'typebox'
import { Alias, AliasesPost, AliasPost, AliasPut } from '../../contract/image.ts'
import { ref } from '../../contract/named.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import type { AliasRecord } from '../../contract/records.ts'
import { etagOf } from '../../core/etag.ts'
import { aliasUrl, type Aliases } from '../../services/aliases.ts'
import { CHANGED, CREATED, listOf, taggedOne } from '../accepting.ts'
import { created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf, projectOf, visitedProject } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['images']
const One = { params: Type.Object({ name: Type.String({ examples: ['web'] }) }), querystring: InProject({}) }

export function aliasRoutes(app: App, { aliases }: { aliases: Aliases }): void {
  const listed = {
    operationId: 'listAliases',
    summary: 'List aliases of images',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Alias)),
  }
  app.get('/1.0/images/aliases', { schema: listed }, async (request) => {
    const project = projectOf(request)
    const records = await aliases.list(callerOf(request), project)
    if (recursionOf(request.query) > 0) return sync(records.map(toAlias))
    return sync(records.map(({ name }) => aliasUrl({ project, name })))
  })

  const made = {
    operationId: 'createAlias',
    summary: 'Name an image',
    tags,
    querystring: InProject({}),
    body: ref(AliasesPost),
    response: CREATED,
  }
  app.post('/1.0/images/aliases', { schema: made }, async (request, reply) => {
    const project = projectOf(request)
    const answer = created(aliasUrl({ project, name: request.body.name ?? '' }))
    await aliases.create(keeping(request, answer), project, request.body)
    return give(reply, answer)
  })
  oneAliasRoutes(app, aliases, { url: '/1.0/images/aliases/:name', about: One })
  // Names have slashes (`alpine/3.20`), and pylxd leaves them as they are.
  app.register(async (slashed: App) => {
    slashed.addHook('preValidation', async (request) => {
      request.params = { name: Object(request.params)['*'] }
    })
    oneAliasRoutes(slashed, aliases, { url: '/1.0/images/aliases/*', about: { ...One, hide: true } })
  })
}

interface At {
  url: '/1.0/images/aliases/:name' | '/1.0/images/aliases/*'
  about: typeof One & { hide?: boolean }
}

function oneAliasRoutes(app: App, aliases: Aliases, { url, about }: At): void {
  const got = { operationId: 'getAlias', summary: 'Read an alias', tags, ...about, response: taggedOne(ref(Alias)) }
  app.get(url, { schema: got, config: { open: 'records' } }, async (request, reply) => {
    const record = await aliases.get(request.visitor, visitedProject(request), request.params.name)
    return tagged(reply, etagOf(record.uuid, record.rev), toAlias(record))
  })

  for (const [method, summary] of [
    ['update', 'Change what an alias says and means'],
    ['patch', 'Change some of an alias'],
  ] as const)
    app.route({
      method: method === 'update' ? 'PUT' : 'PATCH',
      url,
      schema: {
        operationId: method === 'update' ? 'putAlias' : 'patchAlias',
        summary,
        tags,
        ...about,
        body: ref(AliasPut),
        response: CHANGED,
      },
      handler: async (request, reply) => {
        const { params, body, headers } = request
        const where = { project: projectOf(request), name: params.name }
        await aliases[method](keeping(request, DONE), where, body, headers['if-match'])
        return give(reply, DONE)
      },
    })

  const renamed = {
    operationId: 'renameAlias',
    summary: 'Rename an alias',
    tags,
    ...about,
    body: ref(AliasPost),
    response: CREATED,
  }
  app.post(url, { schema: renamed }, async (request, reply) => {
    const project = projectOf(request)
    const name = request.body.name ?? ''
    const answer = created(aliasUrl({ project, name }))
    await aliases.rename(keeping(request, answer), project, request.params.name, name)
    return give(reply, answer)
  })

  const removed = {
    operationId: 'deleteAlias',
    summary: 'Delete an alias; the image stays',
    tags,
    ...about,
    response: CHANGED,
  }
  app.delete(url, { schema: removed }, async (request, reply) => {
    await aliases.remove(keeping(request, DONE), projectOf(request), request.params.name)
    return give(reply, DONE)
  })
}

function toAlias({ name, description, target }: AliasRecord): Alias {
  return { name, description, target, type: 'container' }
}
