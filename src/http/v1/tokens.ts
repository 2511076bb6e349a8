import { Type } from 'typebox'
import { Nothing, Sync, Urls } from '../../contract/envelope.ts'
import { ref } from '../../contract/named.ts'
import { ListQuery } from '../../contract/query.ts'
import { NewToken, Token, TokensPost } from '../../contract/token.ts'
import type { Tokens } from '../../services/tokens.ts'
import { DONE, give, keeping, sync, type Answer } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['tokens']
const One = Type.Object({ name: Type.String({ examples: ['ci'] }) })
const urlOf = (name: string) => `/1.0/auth/tokens/${encodeURIComponent(name)}`

export function tokenRoutes(app: App, { tokens }: { tokens: Tokens }): void {
  const listed = {
    schema: {
      operationId: 'listTokens',
      summary: 'List tokens; their secrets are kept nowhere',
      tags,
      querystring: ListQuery({}),
      response: { 200: Sync(Type.Union([Urls, Type.Array(ref(Token))])) },
    },
  }
  app.get('/1.0/auth/tokens', listed, async (request) => {
    const all = await tokens.list(callerOf(request))
    return recursionOf(request.query) === 0 ? sync(all.map(({ name }) => urlOf(name))) : sync(all)
  })

  const made = {
    schema: {
      operationId: 'createToken',
      summary: 'Make a token; the answer shows its secret, this once',
      tags,
      body: ref(TokensPost),
      response: { 201: Sync(ref(NewToken)) },
    },
  }
  app.post('/1.0/auth/tokens', made, async (request, reply) => {
    const { body } = request
    const location = urlOf(body.name ?? '')
    const shown = (token: NewToken): Answer<NewToken> => ({ status: 201, location, body: sync(token) })
    // A repeat of the request cannot be told the secret: what is kept for it has none.
    const keep = (token: NewToken) => keeping(request, shown({ ...token, token: '' }))
    return give(reply, shown(await tokens.create(callerOf(request), body, keep)))
  })

  const got = {
    schema: {
      operationId: 'getToken',
      summary: 'Read a token, without its secret',
      tags,
      params: One,
      response: { 200: Sync(ref(Token)) },
    },
  }
  app.get('/1.0/auth/tokens/:name', got, async (request) =>
    sync(await tokens.get(callerOf(request), request.params.name)),
  )

  const removed = {
    schema: {
      operationId: 'deleteToken',
      summary: 'Revoke a token',
      tags,
      params: One,
      response: { 200: Sync(Nothing) },
    },
  }
  app.delete('/1.0/auth/tokens/:name', removed, async (request, reply) => {
    await tokens.remove(keeping(request, DONE), request.params.name)
    return give(reply, DONE)
  })
}
