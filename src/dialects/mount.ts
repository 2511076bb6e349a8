/** Joins dialects to an application: each in a scope of its own, so that nothing of one reaches another. */
import swagger from '@fastify/swagger'
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { badRequest, unauthorized, type Failure } from '../core/failure.ts'
import { refuseHalfCharacters } from '../core/json-text.ts'
import { secretOf } from '../core/secret.ts'
import type { Caller } from '../services/caller.ts'
import type { Dialect, DialectApp, DialectKit } from './dialect.ts'
import { openCaller, type Openness } from './openness.ts'

export interface MountTools {
  kit: Omit<DialectKit, 'prefix'>
  version: string
  /** The dialects the operator has opened, and whether to everywhere. */
  openness: Openness
  /** The caller of a trusted connection, or undefined. */
  trusted(request: FastifyRequest): Caller | undefined
  /** The caller by a token's secret, or undefined. */
  byToken(secret: string, request: FastifyRequest): Promise<Caller | undefined>
  /** The caller by the certificate that the connection has shown, or undefined. */
  byCertificate(request: FastifyRequest): Promise<Caller | undefined>
  /** Whatever was thrown, the framework's own refusals included → a Failure. */
  toFailure(thrown: Error): Failure
  /** The whole body of a request; throws what is wrong with it. */
  readBody(payload: IncomingMessage): Promise<Buffer>
  /** Called in each scope before its routes: idempotency keys, freshness. */
  prepare(app: DialectApp): void
  /** Given the document of each dialect, to be served. */
  document(name: string, title: string, read: () => Exclude<ReturnType<DialectApp['swagger']>, string>): void
}

export interface Mounted {
  dialect: Dialect
  /** '' or the prefix it is served under. */
  prefix: string
}

/** Registers one dialect under its prefix. */
export function mountDialect(app: DialectApp, dialect: Dialect, prefix: string, tools: MountTools): void {
  app.register(async (scope: DialectApp) => {
    acceptAnyJson(scope, tools)
    scope.setErrorHandler((thrown: Error, request, reply) => fail(dialect, tools.toFailure(thrown), request, reply))
    scope.decorateRequest('visitor', undefined)
    scope.decorateRequest('eventCursor', '')
    scope.decorateRequest('bodyHash', undefined)
    scope.addHook('onRequest', async (request, reply) => {
      // The router takes a slash at the end for an id that is empty; such a path is the collection's, or nobody's.
      if (Object.values(Object(request.params)).includes('')) return reply.callNotFound()
      request.visitor = await identify(request, dialect, tools)
      const { url = '' } = request.routeOptions
      const isOpen = dialect.open?.includes(url.slice(prefix.length)) ?? false
      if (request.visitor === undefined && !isOpen) throw unauthorized('not authorized')
      return undefined
    })
    await describe(scope, dialect, tools)
    tools.prepare(scope)
    await scope.register(
      async (routes: DialectApp) => dialect.routes(routes, { ...tools.kit, prefix }),
      prefix === '' ? {} : { prefix },
    )
  })
}

/**
 * What is refused before it comes to a dialect's scope is answered in the words of the dialect that the path belongs to;
 * undefined: it belongs to none.
 */
export function answerInDialects(mounted: readonly Mounted[], isNative: boolean) {
  return (failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    const [path = ''] = request.url.split('?', 1)
    const isUnder = (root: string): boolean => path === root || path.startsWith(`${root}/`)
    const found =
      mounted.find(({ dialect, prefix }) => dialect.roots.some((root) => isUnder(prefix + root))) ??
      // Under a prefix, and where nothing native is served, there is nothing that is not a dialect's.
      mounted.find(({ prefix }) => (prefix === '' ? !isNative : isUnder(prefix)))
    return found && fail(found.dialect, failure, request, reply)
  }
}

function fail(dialect: Dialect, failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (failure.code === 'internal')
    request.log.error({ err: failure.cause ?? failure, dialect: dialect.name }, 'Request failed')
  const retryAfter = failure.retryAfter ?? (failure.code === 'unavailable' ? 1 : undefined)
  if (retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(retryAfter)))
  if (failure.operation !== undefined) reply.header('location', failure.operation)
  // Many clients send the password in their URL only when they are asked for one.
  if (failure.code === 'unauthorized') reply.header('www-authenticate', 'Basic realm="Windlass", charset="UTF-8"')
  return dialect.answer(failure, request, reply)
}

async function identify(request: FastifyRequest, dialect: Dialect, tools: MountTools): Promise<Caller | undefined> {
  const trusted = tools.trusted(request)
  if (trusted !== undefined) return trusted
  const secret = dialect.secretOf?.(request) ?? secretOf(request)
  if (secret !== undefined) return tools.byToken(secret, request)
  const certified = await tools.byCertificate(request)
  if (certified !== undefined) return certified
  return dialect.openable ? openCaller(request, dialect.name, tools.openness) : undefined
}

/** These clients send JSON under any content type or none; an empty body is no body. */
function acceptAnyJson(scope: DialectApp, { readBody }: MountTools): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const body = (await readBody(payload)).toString()
    if (request.headers['idempotency-key'] !== undefined)
      request.bodyHash = createHash('sha256').update(body).digest('hex')
    // What nobody reads cannot be wrong.
    if (body.trim() === '' || request.routeOptions.schema?.body === undefined) return undefined
    try {
      return JSON.parse(body, (key, value: unknown) => {
        refuseHalfCharacters(key, value)
        return key === '__proto__' ? undefined : value
      })
    } catch (thrown) {
      throw badRequest(thrown instanceof Error ? thrown.message : 'Body is not JSON')
    }
  })
  // The framework refuses what is no content type at all before it asks for a parser.
  scope.addHook('onRequest', async ({ raw }) => {
    if (raw.headers['content-type'] !== undefined) raw.headers['content-type'] = 'application/json'
  })
}

async function describe(scope: DialectApp, dialect: Dialect, { version, document }: MountTools): Promise<void> {
  const { title, description } = dialect
  await scope.register(swagger, {
    convertConstToEnum: false,
    openapi: {
      openapi: '3.1.0',
      info: { title, version, description, license: { name: 'Apache-2.0' } },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          password: { type: 'http', scheme: 'basic' },
          ...dialect.securitySchemes,
        },
      },
      security: [
        { token: [] },
        { password: [] },
        ...Object.keys(dialect.securitySchemes ?? {}).map((name) => ({ [name]: [] })),
      ],
    },
  })
  document(dialect.name, title, () => scope.swagger())
}
