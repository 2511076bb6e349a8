/** The routes of tokens, and where a request carries its own. */
import type { FastifyRequest } from 'fastify'
import { badRequest } from '../../core/failure.ts'
import type { Caller } from '../../services/caller.ts'
import { bothSlashes, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { misspelled } from './errors.ts'
import { answers, Done, DONE, OfToken, TokenAddition } from './wire.ts'

const ROOT = '/api/v1/tokens'
const tags = ['tokens']

/** Tokens with fewer characters are easily guessed. */
const SHORT = 16

/** `private_token` of the query, also when it is empty, else the header of that name. */
export function secretOf({ query, headers }: FastifyRequest): string | undefined {
  const { private_token: given }: { private_token?: string | string[] } = Object(query)
  return [given ?? headers['private-token']].flat()[0]
}

export function tokenRoutes(app: DialectApp, { services, settings }: DialectKit): void {
  for (const [at, url] of bothSlashes(ROOT).entries())
    app.post(
      url,
      {
        schema: {
          summary: 'Add a token',
          tags,
          operationId: 'addToken',
          body: TokenAddition,
          response: answers(Done),
          hide: at === 1,
        },
        attachValidation: true,
      },
      async (request, reply) => {
        const { body, validationError } = request
        if (!('token' in Object(body))) throw misspelled()
        if (validationError !== undefined) throw validationError
        const { token, description } = body
        if (token.length < SHORT) {
          if (settings.lwp.shortTokens === 'refuse') throw badRequest(`A token needs ${SHORT} characters or more`)
          request.log.warn({ characters: token.length }, 'A token was added that is easily guessed')
          reply.header('warning', `299 - "A token of fewer than ${SHORT} characters is easily guessed"`)
        }
        await services.tokens.admit(answering(callerOf(request)), token, description ?? '')
        return DONE
      },
    )
  for (const [at, url] of bothSlashes(`${ROOT}/:token`).entries())
    app.delete(
      url,
      {
        schema: {
          summary: 'Revoke a token; one that is not known is no error',
          tags,
          operationId: 'revokeToken',
          params: OfToken,
          response: answers(Done),
          hide: at === 1,
        },
      },
      async (request) => {
        await services.tokens.revoke(answering(callerOf(request)), request.params.token)
        return DONE
      },
    )
}

/** A repeat by Idempotency-Key is answered the same. */
function answering(caller: Caller): Caller {
  return { ...caller, answer: { status: 200, location: '', body: JSON.stringify(DONE) } }
}
