/** Requests that no client means to send, made from an OpenAPI document: odd bodies, and odd values for each field. */
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../battery/random.ts'

export interface OddRequest {
  method: string
  /** With its placeholders. */
  route: string
  path: string
  body: Buffer
}

export interface OddOptions {
  seed: number
  /** What is put in place of the placeholders in a path. */
  fill: (route: string) => string
  /** Bodies in place of the documents' examples, by method and route: what they would lead to is not wanted. */
  bases?: Record<string, object>
}

/** An OpenAPI document, as far as it is read here. */
interface Schema {
  $ref?: string
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  patternProperties?: Record<string, Schema>
  anyOf?: Schema[]
  examples?: unknown[]
}
interface Document {
  paths: Record<string, Record<string, { requestBody?: { content?: Record<string, { schema?: Schema }> } }>>
  components?: { schemas?: Record<string, Schema> }
}

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

const ODD_TEXTS = [
  '',
  ' ',
  '.',
  '..',
  '../../etc',
  'a/b',
  '%2f',
  'a\0b',
  '\n',
  '\ud800',
  '🤯',
  'x'.repeat(70),
  'y'.repeat(50_000),
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  '-1',
  '1e400',
  '9'.repeat(40),
  '2030-13-45T00:00:00Z',
  '${x}',
  "'",
]
const ODD_VALUES = [
  ...ODD_TEXTS,
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 63,
  [],
  [null],
  [[]],
  ['a\0'],
  ['constructor'],
  Array(2_000).fill('x'),
  nested(300),
  {},
  { a: 1 },
  { '': '' },
  { 'a\0': 'x' },
  { toString: 'x' },
  { constructor: { prototype: 1 } },
]
const ODD_BODIES = [
  '',
  ' ',
  '{',
  'null',
  '0',
  '""',
  '[]',
  '{}',
  '{"a":',
  '{"__proto__":{"x":1}}',
  '{"\\u005f_proto__":1}',
  '{"name":"a","name":7}',
  '{"name":1e99999}',
  '\ufeff{}',
  '['.repeat(100_000),
  '{"a":'.repeat(50_000),
  '{"\\ud800":1}',
  '{"__\\u0070roto__":{"x":1}}',
  '{"constructor":{"prototype":{"x":1}}}',
].map((text) => Buffer.from(text))
/** No UTF-8. */
const ODD_BYTES = [Buffer.from([0xff, 0xfe, 0x7b, 0x7d]), Buffer.from('7b22c328223a317d', 'hex'), Buffer.alloc(3)]

/** For each POST, PUT and PATCH of the document a few of the odd bodies, and for each field of its body an odd value. */
export async function oddRequests(file: string, { seed, fill, bases = {} }: OddOptions): Promise<OddRequest[]> {
  const document: Document = JSON.parse(await readFile(file, 'utf8'))
  const { pick, shuffled } = createRandom(seed)
  const routes = Object.entries(document.paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => ({ route, method: method.toUpperCase(), requestBody })),
  )
  const all = routes
    .filter(({ method }) => ['POST', 'PUT', 'PATCH'].includes(method))
    .flatMap(({ route, method, requestBody }) => {
      const schema = plain(document, requestBody?.content?.['application/json']?.schema ?? {})
      const base = bases[`${method} ${route}`] ?? schema.examples?.[0] ?? {}
      const bodies = fieldsOf(document, schema).map((at) =>
        Buffer.from(JSON.stringify(withField(base, at, pick(ODD_VALUES)))),
      )
      const raw = [pick(ODD_BODIES), pick(ODD_BODIES), pick(ODD_BODIES), pick(ODD_BYTES)]
      return [...raw, ...bodies].map((body): OddRequest => ({ method, route, path: fill(route), body }))
    })
  return shuffled(all)
}

/** What is behind references and the choice with null. */
function plain(document: Document, schema: Schema): Schema {
  const name = schema.$ref?.split('/').pop()
  if (name !== undefined) return plain(document, document.components?.schemas?.[name] ?? {})
  const chosen = schema.anyOf?.find(({ type }) => type !== 'null')
  return chosen === undefined ? schema : plain(document, chosen)
}

function fieldsOf(document: Document, schema: Schema, at: string[] = []): string[][] {
  const { properties = {}, patternProperties, additionalProperties } = plain(document, schema)
  const isMap = patternProperties !== undefined || typeof additionalProperties === 'object'
  const keys = isMap ? ['user.x', 'limits.memory', 'limits.cpu', 'environment.A', '', 'constructor', 'eth0'] : []
  return [
    ...keys.map((key) => [...at, key]),
    ...Object.entries(properties).flatMap(([key, of]) => [[...at, key], ...fieldsOf(document, of, [...at, key])]),
  ]
}

function withField(base: unknown, [key, ...rest]: string[], odd: unknown): unknown {
  if (key === undefined) return odd
  const there: Record<string, unknown> = Array.isArray(base) ? {} : { ...Object(base) }
  return { ...there, [key]: withField(there[key], rest, odd) }
}

export interface OddAnswer {
  status: number
  text: string
}

/** How often one that comes while the database is too busy to answer is sent again. */
const AGAIN = 10

/** Its answer; rejects where none comes within half a minute, or the connection is cut. */
export async function sendOdd(socketPath: string, asked: OddRequest): Promise<OddAnswer> {
  for (let again = 0; ; again++) {
    const { retryAfter, ...answer } = await sendOnce(socketPath, asked)
    if (answer.status !== 503 || again === AGAIN) return answer
    await sleep(retryAfter * 1000)
  }
}

function sendOnce(socketPath: string, { method, path, body }: OddRequest): Promise<OddAnswer & { retryAfter: number }> {
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const signal = AbortSignal.timeout(30_000)
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, signal, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      const retryAfter = Number(answer.headers['retry-after'] ?? 1)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, retryAfter }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
