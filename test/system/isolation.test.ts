import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askApi } from '../support/ask-api.ts'
import { makeIdentity } from '../support/client-certificate.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// Whoever is bound to one project cannot tell what is in another one from what is nowhere: by any route of the API.

/** Part of the name of everything in the other project, and what is in its place where nothing is asked for. */
const HIDDEN = 'hidden'
const ABSENT = 'absent'

let windlass: TestWindlass
/** Ids in the other project, each with one of the same form that nothing has. */
const ids: { path: RegExp; hidden: string; absent: string }[] = []
const tokens: Record<string, string> = {}

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0' } })
  for (const name of ['mine', HIDDEN]) await send('POST', '/1.0/projects', { name })
  for (const project of ['mine', HIDDEN])
    await send('PATCH', `/1.0/profiles/default?project=${project}`, {
      devices: { root: { type: 'disk', path: '/', pool: 'default' }, eth0: { type: 'nic', network: 'lxdbr0' } },
    })
  await fill('mine', 'own')
  const { operation, fingerprint } = await fill(HIDDEN, HIDDEN)
  ids.push({ path: /\/(operations|jobs)\//, hidden: operation, absent: turned(operation) })
  ids.push({ path: /\/images\//, hidden: fingerprint, absent: turned(fingerprint) })
  const { certificate, fingerprint: print } = makeIdentity(HIDDEN)
  const trusted = { name: HIDDEN, type: 'client', restricted: true, projects: [HIDDEN] }
  await send('POST', '/1.0/certificates', { ...trusted, certificate })
  ids.push({ path: /\/certificates\//, hidden: print, absent: turned(print) })
  await send('POST', '/1.0/auth/tokens', { name: `${HIDDEN}-t`, role: 'viewer', projects: [HIDDEN] })
  for (const role of ['viewer', 'operator', 'admin']) {
    const made = await send('POST', '/1.0/auth/tokens', { name: `bound-${role}`, role, projects: ['mine'] })
    tokens[role] = String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
  }
}, 60_000)
afterAll(() => windlass?.[Symbol.asyncDispose]())

/** By the socket, which sees everything. */
async function send(method: string, path: string, body?: unknown) {
  const answer = await windlass.call(method, path, body)
  expect([path, answer.status < 300, answer.text]).toEqual([path, true, answer.text])
  return answer
}

const read = async (path: string) => fieldOf((await send('GET', path)).body, 'metadata')

/** One of everything that a project can have. */
async function fill(project: string, word: string): Promise<{ operation: string; fingerprint: string }> {
  const at = (path: string) => `${path}?project=${project}`
  const operate = async (method: string, path: string, body: unknown) => {
    const ended = await windlass.operate(method, path, body)
    expect(ended).toMatchObject({ status: 'Success', err: '' })
    return ended
  }
  await send('POST', at('/1.0/profiles'), { name: `${word}-p` })
  await send('POST', at('/1.0/storage-pools/default/volumes/custom'), { name: `${word}-v` })
  const made = { name: `${word}-c`, source: { type: 'none' }, profiles: ['default', `${word}-p`] }
  const { id } = await operate('POST', at('/1.0/instances'), made)
  await operate('POST', at(`/1.0/instances/${word}-c/snapshots`), { name: `${word}-s` })
  const published = await operate('POST', at('/1.0/images'), {
    source: { type: 'instance', name: `${word}-c` },
    properties: { description: word },
  })
  const fingerprint = String(published.metadata?.['fingerprint'])
  await send('POST', at('/1.0/images/aliases'), { name: `${word}-a`, target: fingerprint })
  return { operation: id, fingerprint }
}

/** Its last twelve digits the other way round. */
const turned = (id: string) => id.slice(0, -12) + id.slice(-12).split('').toReversed().join('')

/** Every method of every route with each of these queries; but for events, which go on for as long as somebody listens. */
async function requests(queries: string[]): Promise<{ method: string; path: string }[]> {
  const document: unknown = JSON.parse(await readFile('openapi/native.json', 'utf8'))
  const routes = Object.entries(Object(fieldOf(document, 'paths')) as Record<string, object>) // OpenAPI's shape
  return routes
    .filter(([path]) => path !== '/1.0/events')
    .flatMap(([path, item]) => {
      const methods = Object.keys(item).filter((key) => ['get', 'post', 'put', 'patch', 'delete'].includes(key))
      const timeout = path.endsWith('/wait') ? ['?timeout=0'] : queries
      return methods.flatMap((method) =>
        timeout.map((query) => ({ method: method.toUpperCase(), path: `${path}${query}` })),
      )
    })
}

/** Whether there is a word of what is in the other project. */
function isTold(text: string): boolean {
  return [HIDDEN, ...ids.map(({ hidden }) => hidden)].some((word) => text.includes(word))
}

const LETTERS: Record<string, string> = { instances: 'c', containers: 'c', profiles: 'p', aliases: 'a', tokens: 't' }

/** A path with the names of what is in the other project, or of what is nowhere. */
function named(path: string, word: string): string {
  const id = ids.find((one) => one.path.test(path))
  const noun = path.split('/').findLast((_part, at, parts) => parts[at + 1]?.startsWith('{name') === true) ?? ''
  const letter = noun === 'custom' || noun === '{type}' ? 'v' : LETTERS[noun]
  return path
    .replace(/\{(id|fingerprint|uuid)\}/, (word === HIDDEN ? id?.hidden : id?.absent) ?? 'x')
    .replace('{snapshot}', `${word}-s`)
    .replace('{pool}', 'default')
    .replace('{type}', 'custom')
    .replace('{file}', 'lxc.log')
    .replace('{name}', letter === undefined ? word : `${word}-${letter}`)
    .replaceAll(/\{\w+\}/g, word)
}

/** What is asked for is repeated in an answer: that alone makes no difference. */
function withoutNames(text: string): string {
  let plain = text.replaceAll(ABSENT, HIDDEN)
  for (const { hidden, absent } of ids) plain = plain.replaceAll(absent, hidden)
  return plain
}

async function ask(role: string, method: string, path: string, body?: unknown) {
  const at = windlass.api.url ?? ''
  const answer = await askApi({ at, method, path, token: tokens[role] ?? '', ...(body !== undefined && { body }) })
  return { status: answer.status, text: JSON.stringify(answer.body) }
}

/** How an answer about what is hidden differs from one about what is not there. */
async function difference(
  role: string,
  method: string,
  path: (word: string) => string,
  body?: (word: string) => unknown,
) {
  const [hidden, absent] = await Promise.all(
    [HIDDEN, ABSENT].map((word) => ask(role, method, path(word), body?.(word))),
  )
  // The host's figures change from one moment to the next.
  const isLive = /\/resources(\?|$)/.test(path(HIDDEN))
  const plain = (text = ''): string => (isLive ? text.replaceAll(/\d+/g, '0') : withoutNames(text))
  const isSame = hidden?.status === absent?.status && plain(hidden?.text) === plain(absent?.text)
  return isSame ? [] : [`${role} ${method} ${path(HIDDEN)}: ${hidden?.text} but ${absent?.text}`]
}

test.each(['viewer', 'operator', 'admin'])(
  'a %s of one project is told the same of what is in another one and of what is nowhere',
  async (role) => {
    const before = await everything()
    const found: string[] = []
    for (const { method, path } of await requests(['', '?project=mine', `?project=${HIDDEN}`])) {
      const of = (word: string) => named(path.replace(HIDDEN, word), word)
      // A list of one's own is looked at below; what makes or changes something of one's own is no secret.
      if (!isTold(of(HIDDEN))) continue
      found.push(...(await difference(role, method, of, method === 'GET' ? undefined : () => ({}))))
    }
    expect(found).toEqual([])
    expect(await everything()).toEqual(before)
  },
)

test('lists, figures and histories of a project have nothing of another one', async () => {
  expect((await ask('viewer', 'GET', '/1.0/instances?project=mine')).text).toContain('/1.0/instances/own-c')
  const queries = [
    '',
    '?project=mine',
    '?project=mine&recursion=1',
    '?project=mine&recursion=2',
    '?all-projects=true&recursion=1',
    '?recursion=2&history=true',
  ]
  const found: string[] = []
  for (const { method, path } of await requests(queries)) {
    const url = named(path, 'own').replace('/networks/own', '/networks/lxdbr0')
    if (method !== 'GET' || ids.some(({ absent }) => url.includes(absent))) continue
    for (const role of ['viewer', 'admin']) {
      const { text } = await ask(role, 'GET', url)
      if (isTold(text)) found.push(`${role} GET ${url}: ${text}`)
    }
  }
  expect(found).toEqual([])
})

test('nothing of another project can be used by its name', async () => {
  const instances = '/1.0/instances?project=mine'
  const device = (more: object) => ({ devices: { d: more } })
  const cases: [method: string, path: string, body: (word: string) => unknown][] = [
    ['POST', instances, (word) => ({ name: 'x', source: { type: 'copy', source: `${word}-c`, project: word } })],
    ['POST', instances, (word) => ({ name: 'x', source: { type: 'copy', source: `${word}-c` } })],
    [
      'POST',
      instances,
      (word) => ({ name: 'x', source: { type: 'copy', source: `${word}-c/${word}-s`, project: word } }),
    ],
    ['POST', instances, (word) => ({ name: 'x', source: { type: 'image', alias: `${word}-a` } })],
    ['POST', instances, (word) => ({ name: 'x', source: { type: 'image', alias: `${word}-a`, project: word } })],
    ['POST', instances, (word) => ({ name: 'x', source: { type: 'none' }, profiles: [`${word}-p`] })],
    [
      'POST',
      '/1.0/images?project=mine',
      (word) => ({ source: { type: 'instance', name: `${word}-c`, project: word } }),
    ],
    [
      'PATCH',
      '/1.0/instances/own-c?project=mine',
      (word) => device({ type: 'disk', pool: 'default', source: `${word}-v`, path: '/v' }),
    ],
    ['POST', '/1.0/instances/own-c?project=mine', (word) => ({ name: 'own-c', project: word, migration: true })],
    ['PUT', '/1.0/instances/own-c?project=mine', (word) => ({ restore: `${word}-c/${word}-s` })],
    [
      'POST',
      '/1.0/images/aliases?project=mine',
      (word) => ({
        name: 'y',
        target: ids.find(({ path }) => path.test('/images/'))?.[word === HIDDEN ? 'hidden' : 'absent'],
      }),
    ],
  ]
  const before = await everything()
  const found = await Promise.all(cases.map(([method, path, body]) => difference('admin', method, () => path, body)))
  expect(found.flat()).toEqual([])
  expect(await everything()).toEqual(before)
})

test('events of another project are not told, nor whether there is such a project', async () => {
  const path = (word: string) => `/1.0/events?project=${word}`
  expect(await difference('admin', 'GET', path)).toEqual([])
})

/** All that the other project has, as its own see it. */
async function everything(): Promise<unknown[]> {
  const nouns = ['instances', 'images', 'images/aliases', 'profiles', 'storage-pools/default/volumes']
  return Promise.all(nouns.map((noun) => read(`/1.0/${noun}?project=${HIDDEN}&recursion=1`)))
}
