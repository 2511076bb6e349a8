import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { isDeepStrictEqual, promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ApiAnswer, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { type Deviation, type Exchange, readDeviations, readRecorded } from './hostapi-recorded.ts'

let windlass: TestWindlass
const TOKEN = 'the-token-of-the-hostapi-tests'
/** A command that stays. */
const STAYS = 'sleep 1000'

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  await publishStarterImage(windlass.socket, '/bin/busybox')
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

type Wanted = number | [number, unknown]

/** Asks and checks the status, and the body where one is given; a Buffer is sent as it is. */
async function ask(method: string, path: string, wanted: Wanted, body?: unknown): Promise<ApiAnswer> {
  const answer = await windlass.call(method, path, body)
  const [status, shape] = Array.isArray(wanted) ? wanted : [wanted]
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status)
  if (shape !== undefined) expect(answer.body, `${method} ${path}`).toEqual(shape)
  if (status === 204) expect(answer.text).toBe('')
  else expect(answer.headers['content-type']).toBe('application/json')
  return answer
}

const GET = (path: string, wanted: Wanted = 200) => ask('GET', path, wanted)
const POST = (path: string, wanted: Wanted, body?: unknown) => ask('POST', path, wanted, body)
const DELETE = (path: string, wanted: Wanted = 204) => ask('DELETE', path, wanted)
const refused = (status: number, error: string | null, detail?: unknown): [number, unknown] => [
  status,
  detail === undefined ? { error } : { error, detail },
]
const pkOf = ({ body }: { body: unknown }) => String(fieldOf(body, 'pk'))
const base64 = (text: string) => Buffer.from(text).toString('base64')
const ILLEGAL = refused(412, 'Container in illegal state for requested action')
const HEX = /^[0-9a-f]{64}$/

/** A container that is not started. */
async function make(name: string, more: object = {}): Promise<string> {
  return pkOf(await POST('/containers', 201, { name, image: 'busybox', command: STAYS, ...more }))
}

async function run(pk: string, command: string): Promise<unknown> {
  return (await POST(`/containers/${pk}/exec`, 200, { command })).body
}

async function clear(): Promise<void> {
  const { body } = await windlass.call('GET', '/containers')
  for (const one of Array.isArray(body) ? body : []) {
    const pk = pkOf({ body: one })
    await windlass.call('DELETE', `/containers/${base64(pk)}`)
  }
}

afterEach(clear)

describe('recorded exchanges', () => {
  test.each(['B', 'C'])('of generation %s get the recorded answer, or the one that COVERAGE.md lists', async (generation) => {
    await publishStarterImage(windlass.socket, '/bin/busybox')
    const listed = (await readDeviations('hostapi')).filter((one) => one.generation === generation)
    const ids = new Map<string, string>()
    const recorded = await readRecorded(`hostapi-${generation}`)
    expect(recorded.length).toBeGreaterThan(50)
    await learnImage(recorded, ids)
    const seen = new Map<string, Deviation>()
    for (const exchange of recorded) {
      const { method, path, body, status } = exchange
      const answer = await windlass.call(method, withIds(path, ids), body && Buffer.from(body))
      const deviation = { generation, request: nameOf(exchange), recorded: status, here: answer.status }
      checkForm(exchange, answer)
      if (answer.status !== status || !isSameBody(exchange, answer)) seen.set(JSON.stringify(deviation), deviation)
      learn(exchange, answer, ids)
    }
    expect([...seen.values()]).toEqual(listed)
  })

  /** The request with placeholders for ids. */
  function nameOf({ method, path, body }: Exchange): string {
    const plain = path
      .replaceAll(/[0-9a-f]{64}/g, '<ID>')
      .replaceAll(/[A-Za-z0-9+/]{86}==/g, '<B64>')
    return `${method} ${plain}${body === undefined || body === '{}' && !/containers$|snapshots$/.test(path) ? '' : ` ${body}`}`
  }

  /** Headers that matter, and the keys of an answer that has the recorded status. */
  function checkForm(exchange: Exchange, { body, headers, status }: ApiAnswer): void {
    if (status !== 204) expect(headers['content-type']).toBe('application/json')
    for (const method of exchange.headers.get('allow')?.split(', ') ?? [])
      if (method !== 'OPTIONS') expect(String(headers.allow).split(', ')).toContain(method)
    if (status !== exchange.status || exchange.headers.get('content-type') !== 'application/json') return
    const recorded: unknown = JSON.parse(exchange.text)
    expect(keysOf(body)).toEqual(expect.arrayContaining(keysOf(recorded)))
    if (exchange.headers.has('location')) expect(headers.location).toMatch(/^\/containers\/[0-9a-f]{64}/)
  }

  /** In what does not depend on the engine or the time. */
  function isSameBody(exchange: Exchange, { body }: ApiAnswer): boolean {
    if (exchange.headers.get('content-type') !== 'application/json') return true
    const recorded: unknown = JSON.parse(exchange.text)
    const isSame = (name: string) =>
      !keysOf(recorded).includes(name) || isDeepStrictEqual(first(body, name), first(recorded, name))
    return (
      typeof body === typeof recorded &&
      Array.isArray(body) === Array.isArray(recorded) &&
      ['error', 'status', 'RepoTags', 'Names', 'Command'].every(isSame)
    )
  }

  const head = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value)
  const keysOf = (value: unknown): string[] => {
    const one = head(value)
    return typeof one === 'object' && one !== null ? Object.keys(one) : []
  }
  const first = (value: unknown, name: string): unknown => fieldOf(head(value), name)

  /** Of what was made the recorded id stands for ours from here on. */
  function learn({ method, text }: Exchange, { status, body }: ApiAnswer, ids: Map<string, string>): void {
    if (method !== 'POST' || status !== 201 || !text.includes('"pk"')) return
    const theirs = pkOf({ body: JSON.parse(text) })
    ids.set(theirs, pkOf({ body }))
    ids.set(base64(theirs), base64(pkOf({ body })))
  }

  async function learnImage(recorded: Exchange[], ids: Map<string, string>): Promise<void> {
    const list = recorded.find(({ path }) => path === '/containers/images')
    const theirs = pkOf({ body: head(JSON.parse(list?.text ?? '[]')) })
    ids.set(theirs, theirs.includes(':') ? theirs : pkOf({ body: head((await GET('/containers/images')).body) }))
  }

  function withIds(path: string, ids: Map<string, string>): string {
    return [...ids].reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), path)
  }
})
