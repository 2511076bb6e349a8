import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DIALECT_NAMES, type DialectName } from '../../src/dialects/names.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { startWindlass, type TestProcess, type TestWindlass } from '../support/windlass.ts'

const TOKEN = 'the-token-of-the-placement-tests'
const TEXT = expect.any(String)

/** One dialect as far as its place matters. */
interface Spoken {
  list: string
  /** A path that it has with other methods only. */
  onlyGet: string
  /** The request that makes a container of that name. */
  create: (name: string) => [method: string, path: string, body: object]
  /** Body of a refusal. */
  refusal: unknown
  /** What follows the prefix in the URL that the answer to a creation gives. */
  named?: RegExp
}

const SPOKEN: Record<DialectName, Spoken> = {
  hostapi: {
    list: '/containers',
    onlyGet: '/status',
    create: (name) => ['POST', '/containers', { name, image: 'busybox', command: 'sleep 1000' }],
    refusal: { error: TEXT },
    named: /^\/containers\/[0-9a-f]{64}$/,
  },
  lwp: {
    list: '/api/v1/containers/',
    onlyGet: '/api/v1/containers/',
    create: (name) => ['PUT', '/api/v1/containers/', { name, template: 'busybox' }],
    refusal: { error: TEXT, status: 'error' },
  },
  vzapi: {
    list: '/v0.1/containers/',
    onlyGet: '/v0.1/jobs/x',
    create: (name) => ['POST', '/v0.1/containers/', { name, ostemplate: 'busybox' }],
    refusal: { code: 100, message: TEXT },
  },
  vz: {
    list: '/1.0/vz',
    onlyGet: '/1.0/vz/101/state',
    create: (hostname) => ['POST', `/1.0/vz/${numberOf(hostname)}`, { hostname, source: { type: 'none' } }],
    refusal: { type: 'error', error: 'failure', error_code: expect.any(Number), metadata: { message: TEXT } },
    named: /^\/1\.0\/vz\/[0-9a-f-]{36}$/,
  },
  hebergos: {
    list: '/v1/container/',
    onlyGet: '/v1/env',
    create: (name) => ['PUT', '/v1/container', { name, host_port_root: 20_000, memory: 0.125, cpulimit: 1 }],
    refusal: undefined,
  },
}

/** A number that no container was given when it was listed. */
const numberOf = (hostname: string): number => 5000 + hostname.length

let windlass: TestWindlass
let prefixed: TestProcess
let apart: TestProcess

beforeAll(async () => {
  windlass = await startWindlass({
    workers: 1,
    env: {
      WINDLASS_HTTP: '127.0.0.1:0',
      WINDLASS_TOKEN: TOKEN,
      WINDLASS_SYNC_WAIT: '1',
      WINDLASS_TEST_POINT: 'instance.start.start.before@held',
    },
  })
  const each = (where: (name: DialectName) => string) => DIALECT_NAMES.map((name) => `${name}=${where(name)}`).join(',')
  ;[prefixed, apart] = await Promise.all([
    windlass.startApi({ WINDLASS_DIALECTS: each((name) => `/old/${name}`) }),
    windlass.startApi({ WINDLASS_DIALECTS: each(() => '127.0.0.1:0') }),
    publishStarterImage(windlass.socket, '/bin/busybox'),
  ])
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

interface Said {
  status: number
  headers: Headers
  body: unknown
}

const bearer = (token: string): string => `Bearer ${token}`
const password = (token: string): string => `Basic ${Buffer.from(`x:${token}`).toString('base64')}`

async function ask(url: string, method = 'GET', body?: object, authorization = bearer(TOKEN)): Promise<Said> {
  const headers = { authorization }
  const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }), redirect: 'manual' })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json')
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text }
}

/** The form of the place → the origin, and what stands before the dialect's paths. */
const PLACES = {
  'under a prefix': (name: DialectName) => ({ origin: prefixed.url ?? '', prefix: `/old/${name}` }),
  'on a port of its own': (name: DialectName) => ({ origin: apart.dialects[name] ?? '', prefix: '' }),
}

describe.each(Object.entries(PLACES))('%s', (form, placeOf) => {
  test.each(Object.entries(SPOKEN))('%s lists, makes, and names what it has made', async (key, spoken) => {
    const name = nameOf(key)
    const { origin, prefix } = placeOf(name)
    const at = origin + prefix
    expect(await ask(at + spoken.list), `${at}${spoken.list}`).toMatchObject({ status: 200 })
    const container = `${name}-${form.replaceAll(' ', '-')}`
    const [method, path, body] = spoken.create(container)
    const made = await ask(at + path, method, body)
    expect([200, 201, 202], JSON.stringify(made.body)).toContain(made.status)
    const { named } = spoken
    if (named !== undefined) {
      const location = made.headers.get('location') ?? ''
      expect(location.slice(0, prefix.length)).toBe(prefix)
      expect(location.slice(prefix.length)).toMatch(named)
      expect((await ask(origin + location)).status).toBe(200)
    }
    if (name === 'vz') {
      const operation = String(fieldOf(made.body, 'operation'))
      expect(operation).toBe(made.headers.get('location'))
      expect(made.body).toMatchObject({ resources: { containers: [prefix + path] } })
      expect(await ask(`${origin}${operation}/wait`)).toMatchObject({ body: { metadata: { status_code: 200 } } })
    }
    if (name === 'vzapi') {
      const job = await ask(`${at}/v0.1/jobs/${String(fieldOf(made.body, 'job_id'))}`)
      expect(job).toMatchObject({ status: 200 })
    }
  })

  test.each(Object.entries(SPOKEN))('%s refuses in its own form', async (key, spoken) => {
    const { origin, prefix } = placeOf(nameOf(key))
    const at = origin + prefix
    const refusals: [status: number, Said][] = [
      [401, await ask(at + spoken.list, 'GET', undefined, bearer('wrong'))],
      [404, await ask(`${at}/nothing`)],
      [404, await ask(`${at}${spoken.list.replace(/\/$/, '')}/a/b/c`)],
      [405, await ask(at + spoken.onlyGet, 'PATCH', {})],
      [400, await ask(`${at}${spoken.list.replace(/\/$/, '')}/%zz`)],
    ]
    for (const [status, said] of refusals) {
      expect(said.status, JSON.stringify(said.body)).toBe(status)
      if (spoken.refusal === undefined) expect(said.headers.get('content-type') ?? 'text/plain').toMatch(/^text\/plain/)
      else expect(said.body).toEqual(spoken.refusal)
      if (status === 405) expect(said.headers.get('allow')).toMatch(/GET/)
    }
  })

  test.each(Object.entries(SPOKEN))('%s has its document', async (key, spoken) => {
    const name = nameOf(key)
    const { origin, prefix } = placeOf(name)
    const { status, body } = await ask(`${origin}/openapi/${name}.json`)
    expect(status).toBe(200)
    const paths = Object.keys(Object(fieldOf(body, 'paths')))
    expect(paths.filter((path) => !path.startsWith(`${prefix}/`))).toEqual([])
    expect(paths.map((path) => path.replace(/\/$/, ''))).toContain(prefix + spoken.list.replace(/\/$/, ''))
    expect((await ask(`${origin}/docs/static/swagger-initializer.js`)).body).toContain(`/openapi/${name}.json`)
  })

  test(`work that takes too long is found at the URL that is named ${form}`, async () => {
    const { origin, prefix } = placeOf('hostapi')
    const [method, path, body] = SPOKEN.hostapi.create('held')
    const made = await ask(origin + prefix + path, method, body)
    const container = origin + String(made.headers.get('location'))
    const late = await ask(`${container}/start`, 'POST')
    expect(late).toMatchObject({ status: 504, body: { error: TEXT } })
    const operation = origin + String(late.headers.get('location'))
    for (const authorization of [bearer(TOKEN), password(TOKEN)])
      expect(await ask(operation, 'GET', undefined, authorization)).toMatchObject({
        status: 200,
        body: { metadata: { status: 'Running' } },
      })
    expect(await ask(operation, 'GET', undefined, password('wrong'))).toMatchObject({ status: 403 })
    expect(await ask(operation, 'DELETE', undefined, password(TOKEN))).toMatchObject({ status: 403 })
    windlass.workers[0]?.letGo('instance.start.start.before@held')
    expect(await ask(`${operation}/wait`)).toMatchObject({ body: { metadata: { status_code: 200 } } })
    await ask(`${origin}${prefix}/containers/${Buffer.from('held').toString('base64')}`, 'DELETE')
  })
})

test('nothing is left where they were', async () => {
  for (const { url } of [prefixed, apart])
    for (const { list } of Object.values(SPOKEN)) {
      const { status, body } = await ask(`${url}${list}`)
      expect(status, list).toBe(404)
      expect(body).toMatchObject({ type: 'error', error_code: 404 })
    }
})

test('the pages of the server tell of those on other ports, and where they are', async () => {
  const pages = String((await ask(`${apart.url}/docs/static/swagger-initializer.js`)).body)
  for (const name of DIALECT_NAMES) {
    expect(pages).toContain(`/openapi/${name}.json`)
    expect(await ask(`${apart.url}/openapi/${name}.json`)).toMatchObject({
      status: 200,
      body: { openapi: '3.1.0', servers: [{ url: apart.dialects[name] }] },
    })
  }
})

test('a port that is taken is told, and nothing goes on', async () => {
  const taken = new URL(String(apart.url)).port
  await expect(windlass.startApi({ WINDLASS_DIALECTS: `vz=127.0.0.1:${taken}` })).rejects.toThrow(
    `Cannot serve vz at 127.0.0.1:${taken} (EADDRINUSE): choose another address in WINDLASS_DIALECTS.`,
  )
})

function nameOf(key: string): DialectName {
  const name = DIALECT_NAMES.find((one) => one === key)
  if (name === undefined) throw new Error(`${key} is no dialect`)
  return name
}
