import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Failure, methodNotAllowed, notFound, notImplemented } from '../core/failure.ts'
import type { App } from './app-types.ts'
import { answerFailure } from './errors.ts'

/** Answers in the words of the scope that the path belongs to; undefined: it belongs to the native one. */
type Elsewhere = (failure: Failure, request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined

/** What LXD says where there is no route: 404, or 501 where only the method is unknown. OPTIONS is always fine. */
export function answerUnknown(app: App, elsewhere: Elsewhere = () => undefined): void {
  const methods = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method }) => void methods.set(url, [...(methods.get(url) ?? []), method].flat()))
  const patterns = once(() => [...methods].map(([url, known]) => ({ pattern: toPattern(url), known })))
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = request.url.split('?')
    const known = patterns().flatMap((one) => (one.pattern.test(path) ? one.known : []))
    const isKnown = known.length > 0
    if (isKnown) reply.header('allow', [...new Set(known)].join(', '))
    const own = elsewhere(isKnown ? methodNotAllowed('Method not allowed') : notFound('Not found'), request, reply)
    if (own !== undefined) return own
    if (!isKnown) return answerFailure(notFound('not found'), request, reply)
    if (request.method === 'OPTIONS') return reply.code(200).send()
    return answerFailure(notImplemented('not implemented'), request, reply)
  })
}

/** `/1.0/instances/:name/state` → an expression for the paths it takes. */
function toPattern(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+'
    return part === '*' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  })
  return new RegExp(`^${parts.join('/')}$`)
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
