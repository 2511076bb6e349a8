import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generated, nativeDocument } from '../openapi/generate.ts'

interface Answer {
  description: string
  content?: Record<string, { schema?: object; example?: unknown }>
  links?: Record<string, { operationId: string }>
}
interface Route {
  operationId?: string
  summary?: string
  tags?: string[]
  responses: Record<string, Answer>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Route>>
  components: { schemas: Record<string, object> }
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
  for (const { at, route } of routes) {
    expect(route.summary, at).toMatch(/^[A-Z].{5,}/)
    expect(route.tags, at).toHaveLength(1)
    expect(tags, at).toContain(route.tags?.[0])
    expect(route.operationId, at).toMatch(/^[a-z][A-Za-z]+$/)
  }
  const ids = routes.map(({ route }) => route.operationId)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
})

test('every answer has a schema, and a good one an example', () => {
  for (const { at, route } of routes) {
    expect(Object.keys(route.responses), at).toEqual(expect.arrayContaining(['4XX', '5XX']))
    for (const [status, answer] of Object.entries(route.responses)) {
      const [media] = Object.values(answer.content ?? {})
      expect(media?.schema, `${at} ${status}`).toBeDefined()
      if (status.startsWith('2') && answer.content?.['application/json'] !== undefined)
        expect(media?.example, `${at} ${status}`).toBeDefined()
    }
  }
})

test('every 202 links to the routes that tell how it ends', () => {
  const ids = new Set(routes.map(({ route }) => route.operationId))
  const accepting = routes.filter(({ route }) => '202' in route.responses)
  expect(accepting.length).toBeGreaterThan(10)
  for (const { at, route } of accepting) {
    const linked = Object.values(route.responses['202']?.links ?? {}).map(({ operationId }) => operationId)
    expect(linked, at).toEqual(expect.arrayContaining(['getOperation', 'getJob']))
    for (const id of linked) expect(ids).toContain(id)
  }
})

test('every reference leads somewhere', () => {
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map(([, target = '']) => target)
  const known = new Set(Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`))
  expect([...new Set(references)].filter((target) => !known.has(target))).toEqual([])
})
