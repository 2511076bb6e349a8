/** What the document says beyond the schemas that requests are checked by: bodies that are bytes, and headers. */
import type { FastifySchema } from 'fastify'

const JSON_TYPE = 'application/json'
const BYTES = { type: 'string', format: 'binary' }
/** An LXD image in two files. */
const PARTS = { type: 'object', properties: { metadata: BYTES, rootfs: BYTES }, required: ['metadata', 'rootfs'] }

/** A route's body by its content types: JSON is as the route says, everything else is bytes. */
export function describeBodies(schema: FastifySchema): FastifySchema {
  const { consumes = [], body } = schema
  if (consumes.every((type) => type === JSON_TYPE)) return schema
  const schemaOf = (type: string) => (type === JSON_TYPE ? body : type === 'multipart/form-data' ? PARTS : BYTES)
  const content = Object.fromEntries(consumes.map((type) => [type, { schema: schemaOf(type) }]))
  return { ...schema, body: { content } }
}

/** What this file looks at of a document. */
interface Paths {
  [path: string]: { [method: string]: Described | undefined } | undefined
}
interface Described {
  parameters?: object[]
  responses?: Record<string, { headers?: object } | undefined>
}

const header = (name: string, description: string, example: string) => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' as const, example },
})

/** Headers that many routes read. */
export const HEADER_PARAMETERS = {
  IfMatch: header('If-Match', 'An `ETag` that was read: refused with 412 when it has changed since.', '"1f0c.3"'),
  Prefer: header('Prefer', '`wait=N`: answers when the work has ended, after N seconds at the latest.', 'wait=20'),
  IdempotencyKey: header('Idempotency-Key', 'The same key gives the same answer: makes it safe to send again.', 'k-1'),
}
const parameter = (name: keyof typeof HEADER_PARAMETERS) => ({ $ref: `#/components/parameters/${name}` })

/** Names at every route the headers that it reads. */
export function describeHeaders(paths: Paths): void {
  for (const [path, methods = {}] of Object.entries(paths)) {
    for (const [method, route] of Object.entries(methods)) {
      if (route === undefined || method === 'get') continue
      const replaces = method === 'put' || method === 'patch'
      const reads = [
        ...(replaces && isTagged(paths, path) ? [parameter('IfMatch')] : []),
        ...(route.responses?.['202'] === undefined ? [] : [parameter('Prefer')]),
        parameter('IdempotencyKey'),
      ]
      route.parameters = [...(route.parameters ?? []), ...reads]
    }
  }
}

/** Whether what is read there comes with an entity tag. Volumes are read at a path that takes more types than theirs. */
function isTagged(paths: Paths, path: string): boolean {
  const read = paths[path]?.['get'] ?? paths[path.replace('/custom/', '/{type}/')]?.['get']
  return 'ETag' in Object(read?.responses?.['200']?.headers)
}
