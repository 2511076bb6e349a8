import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeAll, afterAll, expect, test } from 'vitest'
import { type ApiAnswer, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { base64, hostapi, pkOf } from './hostapi-kit.ts'
import { type Deviation, type Exchange, readDeviations, readRecorded } from './hostapi-recorded.ts'

// What the originals answered, asked again here. Where the answer is another one, COVERAGE.md says so, and why.

let windlass: TestWindlass
const { list, clear } = hostapi(() => windlass)

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())
afterEach(clear)

test.each(['B', 'C'])('generation %s is answered as recorded, or as COVERAGE.md lists', async (generation) => {
  await publishStarterImage(windlass.socket, '/bin/busybox')
  const recorded = await readRecorded(`hostapi-${generation}`)
  expect(recorded.length).toBeGreaterThan(50)
  // C's image is called by its name, which is the same here.
  const image = imageOf(recorded)
  const ids = new Map(image.includes(':') ? [] : [[image, pkOf({ body: (await list('/containers/images'))[0] })]])
  const faults: string[] = []
  const seen = new Map<string, Deviation>()
  for (const exchange of recorded) {
    const { method, path, body, status } = exchange
    const answer = await windlass.call(method, withIds(path, ids), body && Buffer.from(body))
    const deviation = { generation, request: nameOf(exchange), recorded: status, here: answer.status }
    faults.push(...formFaults(exchange, answer).map((fault) => `${deviation.request}: ${fault}`))
    if (answer.status !== status || !isSameBody(exchange, answer)) seen.set(JSON.stringify(deviation), deviation)
    learn(exchange, answer, ids)
  }
  expect(faults).toEqual([])
  expect([...seen.values()]).toEqual((await readDeviations('hostapi')).filter((one) => one.generation === generation))
})

/** The request with placeholders for ids. */
function nameOf({ method, path, body }: Exchange): string {
  const plain = path.replaceAll(/[0-9a-f]{64}/g, '<ID>').replaceAll(/[A-Za-z0-9+/]{86}==/g, '<B64>')
  const isEmpty = body === undefined || (body === '{}' && !/(containers|snapshots)$/.test(path))
  return `${method} ${plain}${isEmpty ? '' : ` ${body}`}`
}

const isJson = ({ headers }: Exchange): boolean => headers.get('content-type') === 'application/json'

/** Headers that matter, and the keys of an answer that has the recorded status. */
function formFaults(exchange: Exchange, { body, headers, status }: ApiAnswer): string[] {
  const allowed = String(headers.allow).split(', ')
  const faults = (exchange.headers.get('allow')?.split(', ') ?? [])
    .filter((method) => method !== 'OPTIONS' && !allowed.includes(method))
    .map((method) => `${method} is not allowed`)
  if (status !== 204 && headers['content-type'] !== 'application/json') faults.push('the answer is no JSON')
  if (status !== exchange.status || !isJson(exchange)) return faults
  const missing = keysOf(JSON.parse(exchange.text)).filter((key) => !keysOf(body).includes(key))
  faults.push(...missing.map((key) => `${key} is missing`))
  if (exchange.headers.has('location') && !/^\/containers\/[0-9a-f]{64}/.test(headers.location ?? ''))
    faults.push(`Location is ${headers.location}`)
  return faults
}

/** In what does not depend on the engine or the time. */
function isSameBody(exchange: Exchange, { body }: ApiAnswer): boolean {
  if (!isJson(exchange)) return true
  const recorded: unknown = JSON.parse(exchange.text)
  const isSame = (name: string) =>
    !keysOf(recorded).includes(name) || isDeepStrictEqual(first(body, name), first(recorded, name))
  return (
    typeof body === typeof recorded &&
    Array.isArray(body) === Array.isArray(recorded) &&
    ['error', 'status', 'RepoTags', 'Names', 'Command'].every(isSame)
  )
}

function keysOf(value: unknown): string[] {
  const one: unknown = Array.isArray(value) ? value[0] : value
  return typeof one === 'object' && one !== null ? Object.keys(one) : []
}

function first(value: unknown, name: string): unknown {
  return fieldOf(Array.isArray(value) ? value[0] : value, name)
}

/** Of what was made the recorded id stands for ours from here on. */
function learn({ method, text }: Exchange, { status, body }: ApiAnswer, ids: Map<string, string>): void {
  if (method !== 'POST' || status !== 201 || !text.includes('"pk"')) return
  const theirs = pkOf({ body: JSON.parse(text) })
  ids.set(theirs, pkOf({ body }))
  ids.set(base64(theirs), base64(pkOf({ body })))
}

/** The id of the one image that the original had. */
function imageOf(recorded: Exchange[]): string {
  return String(first(JSON.parse(recorded.find(({ path }) => path === '/containers/images')?.text ?? '[]'), 'pk'))
}

function withIds(path: string, ids: Map<string, string>): string {
  return [...ids].reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), path)
}
