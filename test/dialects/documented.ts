/** Compares answers with what a dialect's OpenAPI document says of their route: the status, and the body with no key too many. */
import { readFileSync } from 'node:fs'
import { Compile } from 'typebox/schema'
import { expect } from 'vitest'
import type { DialectName } from '../../src/dialects/names.ts'

interface Answer {
  status: number
  body: unknown
}

type Responses = Record<string, { content?: { 'application/json'?: { schema: object } } }>

/** The check of one dialect's answers; a path or method that the document does not have must be refused. */
export function documentOf(dialect: DialectName) {
  const file = new URL(`../../openapi/${dialect}.json`, import.meta.url)
  const document: { paths: Record<string, Record<string, { responses: Responses }>> } = JSON.parse(
    readFileSync(file, 'utf8'),
  )
  const routes = Object.entries(document.paths).map(([path, methods]) => ({
    pattern: new RegExp(`^${bare(path).replace(/\{\w+\}/g, '[^/]+')}$`),
    methods,
  }))
  const checks = new Map<object | undefined, ReturnType<typeof Compile>>()

  return (method: string, url: string, { status, body }: Answer): void => {
    const [path = ''] = url.split('?', 1)
    const route = routes.find(({ pattern }) => pattern.test(bare(path)))
    const responses = route?.methods[method.toLowerCase()]?.responses
    const said = `${method} ${path} ${status}`
    if (responses === undefined) {
      expect([route === undefined ? 404 : 405, 400], `${said} is not documented`).toContain(status)
      return
    }
    const schema = schemaOf(responses, status)
    expect(schema, `${said} is documented`).toBeDefined()
    const check = checks.get(schema) ?? Compile(strict(schema ?? {}))
    checks.set(schema, check)
    const [fits, errors] = check.Errors(body)
    expect(fits ? [] : errors, `${said} answers as documented: ${JSON.stringify(body)}`).toEqual([])
  }
}

function schemaOf(responses: Responses, status: number): object | undefined {
  const documented = responses[status] ?? responses[`${String(status)[0]}XX`]
  return documented?.content?.['application/json']?.schema
}

const bare = (path: string): string => path.replace(/\/$/, '')

interface Schema {
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
}

/** The same schema, whose objects have no keys but those it names. */
function strict({ properties, additionalProperties, items, anyOf, ...rest }: Schema): object {
  return {
    ...rest,
    ...(items && { items: strict(items) }),
    ...(anyOf && { anyOf: anyOf.map(strict) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, strict(value)])),
    }),
    ...((properties ?? additionalProperties) && { additionalProperties: additionalProperties ?? false }),
  }
}
