import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generated, nativeDocument } from '../openapi/generate.ts'

interface Answer {
  description: string
  headers?: Record<string, object>
  content?: Record<string, { schema?: object; example?: unknown }>
  links?: Record<string, { operationId: string }>
}
interface Route {
  operationId?: string
  parameters?: { $ref?: string; name?: string }[]
  requestBody?: { content: Record<string, { schema: object }> }
  summary?: string
  tags?: string[]
  responses: Record<string, Answer>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Route>>
  components: { schemas: Record<string, object>; parameters: Record<string, object> }
  tags: { name: string }[]
}

const text = await nativeDocument()
const document: Document = JSON.parse(text)
const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, route]) => ({ at: `${method.toUpperCase()} ${path}`, route })),
)

test('what is generated is committed as it is (npm run openapi writes it)', async () => {
  for (const { path, text: wanted } of await generated()) expect(await readFile(path, 'utf8'), path).toBe(wanted)
})

test('it is OpenAPI 3.1 and has routes', () => {
  expect(document.openapi).toBe('3.1.0')
  expect(routes.length).toBeGreaterThan(40)
})

test('every route has a summary, one known tag and an operationId of its own', () => {
  const tags = new Set(document.tags.map(({ name }) => name))
  const isGood = ({ summary = '', tags: [tag = '', ...more] = [], operationId = '' }: Route) =>
    /^[A-Z].{5,}/.test(summary) && tags.has(tag) && more.length === 0 && /^[a-z][A-Za-z]+$/.test(operationId)
  expect(routes.filter(({ route }) => !isGood(route)).map(({ at }) => at)).toEqual([])
  const ids = routes.map(({ route }) => route.operationId)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
})

test('every answer has a schema, and a good one in JSON an example', () => {
  const answers = routes.flatMap(({ at, route }) =>
    Object.entries(route.responses).map(([status, { content = {} }]) => ({ at: `${at} ${status}`, status, content })),
  )
  const without = (part: 'schema' | 'example', of: typeof answers) =>
    of.filter(({ content }) => Object.values(content)[0]?.[part] === undefined).map(({ at }) => at)
  expect(without('schema', answers)).toEqual([])
  const good = answers.filter(({ status, content }) => status.startsWith('2') && 'application/json' in content)
  expect(without('example', good)).toEqual([])
  const refusing = routes.filter(({ route }) => '4XX' in route.responses && '5XX' in route.responses)
  expect(refusing.length).toBe(routes.length)
})

test('every 202 links to the routes that tell how it ends', () => {
  const ids = new Set(routes.map(({ route }) => route.operationId))
  const accepting = routes.filter(({ route }) => '202' in route.responses)
  expect(accepting.length).toBeGreaterThan(10)
  for (const { route } of accepting) {
    const linked = Object.values(route.responses['202']?.links ?? {}).map(({ operationId }) => operationId)
    expect(linked).toEqual(expect.arrayContaining(['getOperation', 'getJob']))
    expect(linked.filter((id) => !ids.has(id))).toEqual([])
  }
})

test('a body is described by its content type: only JSON is an object', () => {
  const bodies = routes.flatMap(({ at, route }) =>
    Object.entries(route.requestBody?.content ?? {}).map(([type, { schema }]) => ({
      at: `${at} ${type}`,
      type,
      schema,
    })),
  )
  const bytes = bodies.filter(({ type }) => type === 'application/octet-stream')
  expect(bytes.map(({ at }) => at)).toEqual(
    expect.arrayContaining([
      'POST /1.0/instances application/octet-stream',
      'POST /1.0/instances/{name}/files application/octet-stream',
      'POST /1.0/images application/octet-stream',
    ]),
  )
  for (const { at, schema } of bytes) expect(schema, at).toEqual({ type: 'string', format: 'binary' })
  const parts = bodies.find(({ type }) => type === 'multipart/form-data')
  expect(parts).toMatchObject({
    at: 'POST /1.0/images multipart/form-data',
    schema: { required: ['metadata', 'rootfs'] },
  })
})

test('a change names the headers it reads, and what has an entity tag says so', () => {
  const read = (method: string, path: string) =>
    document.paths[path]?.[method]?.parameters?.flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? [])
  expect(read('put', '/1.0/instances/{name}')).toEqual(['IfMatch', 'Prefer', 'IdempotencyKey'])
  expect(read('put', '/1.0/instances/{name}/state')).toEqual(['Prefer', 'IdempotencyKey'])
  expect(read('patch', '/1.0/storage-pools/{pool}/volumes/custom/{name}')).toEqual(['IfMatch', 'IdempotencyKey'])
  expect(read('post', '/1.0/profiles')).toEqual(['IdempotencyKey'])
  expect(read('get', '/1.0/instances/{name}')).toEqual([])
  const { headers } = document.paths['/1.0/instances/{name}']?.['get']?.responses['200'] ?? {}
  expect(Object.keys(headers ?? {})).toEqual(['ETag'])
})

test('a refusal is described as one everywhere', () => {
  const words = (status: string) => new Set(routes.map(({ route }) => route.responses[status]?.description))
  expect([...words('4XX')]).toEqual(['Refused; `error` says why.'])
  expect([...words('5XX')]).toEqual(['Not possible at the moment, or our own fault.'])
})

test('every reference leads somewhere', () => {
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map(([, target = '']) => target)
  const { schemas, parameters } = document.components
  const known = new Set(
    Object.entries({ schemas, parameters }).flatMap(([group, all]) =>
      Object.keys(all).map((name) => `#/components/${group}/${name}`),
    ),
  )
  expect([...new Set(references)].filter((target) => !known.has(target))).toEqual([])
})
