import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ApiAnswer, callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { documentOf } from './documented.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

const checkDocumented = documentOf('vz')
let windlass: TestWindlass
const TOKEN = 'the-token-of-the-vz-tests'
const UUID = /^\/1\.0\/vz\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const source = { type: 'image', properties: { os: 'busybox', release: 'latest' } }

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  await publishStarterImage(windlass.socket, '/bin/busybox')
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

afterEach(async () => {
  for (const one of await list()) {
    const number = Number(one)
    await windlass.call('PUT', `/1.0/vz/${number}/state`, { action: 'stop', force: true }).then(finished)
    await windlass.call('DELETE', `/1.0/vz/${number}`).then(finished)
  }
})

async function finished(answer: ApiAnswer): Promise<void> {
  if (answer.status === 202) await windlass.ended(answer)
}

async function call(...request: Parameters<TestWindlass['call']>): Promise<ApiAnswer> {
  const answer = await windlass.call(...request)
  const [method, path] = request
  checkDocumented(method, path, answer)
  return answer
}

/** Asks for something at once; its `metadata`. */
async function read(path: string, method = 'GET'): Promise<unknown> {
  const { status, headers, body, text } = await call(method, path)
  expect(status, `${method} ${path}: ${text}`).toBe(200)
  expect(headers['content-type']).toBe('application/json')
  const metadata = fieldOf(body, 'metadata')
  expect(body).toEqual({ type: 'sync', status: 'success', status_code: 200, metadata })
  return metadata
}

async function list(): Promise<unknown[]> {
  const numbers = await read('/1.0/vz')
  return Array.isArray(numbers) ? numbers : []
}

/** Asks for something in the background and waits for it; the operation at the URL given. */
async function act(method: string, path: string, body?: unknown, headers = {}): Promise<unknown> {
  const answer = await call(method, path, body, headers)
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(202)
  const url = String(fieldOf(answer.body, 'operation'))
  expect(url).toMatch(UUID)
  expect(answer.headers.location).toBe(url)
  const number = path.split('/')[3]
  expect(answer.body).toEqual({
    type: 'async',
    status: 'ok',
    status_code: 100,
    operation: url,
    resources: { containers: [`/1.0/vz/${number}`] },
    metadata: expect.any(Object),
  })
  const operation = await read(`${url}/wait?timeout=60`)
  expect(operation, `${method} ${path}`).toMatchObject({ status: 'Success', status_code: 200, may_cancel: false })
  expect(fieldOf(operation, 'created_at')).toSatisfy(Number.isInteger)
  return operation
}

async function refused(status: number, ...sent: Parameters<TestWindlass['call']>): Promise<string> {
  const [method, path] = sent
  const answer = await call(...sent)
  const metadata = fieldOf(answer.body, 'metadata')
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status)
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.body).toEqual({ type: 'error', error: 'failure', error_code: status, metadata })
  const message = fieldOf(metadata, 'message')
  expect(message).toSatisfy((text) => typeof text === 'string' && text !== '')
  return String(message)
}

const make = (number: number, hostname: string, more: object = {}) =>
  act('POST', `/1.0/vz/${number}`, { hostname, source, ...more })

describe('containers', () => {
  test('go through the manual: create, list, show, update, state, delete', async () => {
    expect(await list()).toEqual([])
    await make(205, 'My host_1', { config: { 'limits.cpus': '1' } })
    await make(104, 'other')
    expect(await list()).toEqual([104, 205])
    expect(await read('/1.0/vz/205/')).toEqual({
      hostname: 'My host_1',
      config: { 'limits.cpus': '1' },
      status: { status: 'Stopped', status_code: 102, machine: [expect.objectContaining({ cpu_load: '0%' })] },
      ctid: 205,
      instance: 'My-host-1',
    })
    await act('PUT', '/1.0/vz/205/state', { action: 'start' })
    const shown = await read('/1.0/vz/205')
    const machine = {
      disk_space: expect.any(String),
      disk_usage: expect.any(String),
      memory: expect.stringMatching(/^[\d.]+[kMG]B$/),
      free_memory: expect.stringMatching(/^[\d.]+[kMG]B$/),
      cpu_load: expect.stringMatching(/^\d+%$/),
      ip_address: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
    }
    expect(fieldOf(shown, 'status')).toEqual({ status: 'Running', status_code: 103, machine: [machine] })
    await act('PUT', '/1.0/vz/205', { ...Object(shown), config: { 'limits.cpus': '2', 'limits.memory': '64MiB' } })
    expect(await read('/1.0/vz/205')).toMatchObject({
      config: { 'limits.cpus': '2', 'limits.memory': '64MiB' },
      status: {
        status: 'Running',
        machine: [{ memory: '67.1MB', free_memory: expect.stringMatching(/^6\d(\.\d)?MB$/) }],
      },
    })
    for (const [action, status, status_code] of [
      ['freeze', 'Frozen', 110],
      ['unfreeze', 'Running', 103],
      ['restart', 'Running', 103],
      ['stop', 'Stopped', 102],
    ]) {
      await act('PUT', '/1.0/vz/205/state', { action, timeout: 30, force: true })
      expect(await read('/1.0/vz/205/state')).toEqual({ status, status_code })
    }
    const deleted = await windlass.call('DELETE', '/1.0/vz/205', {})
    await windlass.ended(deleted)
    await refused(404, 'GET', '/1.0/vz/205')
    expect(await list()).toEqual([104])
    await make(205, 'My host_1')
  })

  test('are made of nothing, copied with or without a snapshot, and restored', async () => {
    await act('POST', '/1.0/vz/101', { hostname: 'empty', source: { type: 'none' } })
    await make(102, 'one')
    await windlass.operate('POST', '/1.0/instances/one/snapshots', { name: 's0' })
    await act('PUT', '/1.0/vz/102', { config: { 'limits.cpus': '1' } })
    await act('POST', '/1.0/vz/103', { hostname: 'two', source: { type: 'copy', source: '102' } })
    await act('POST', '/1.0/vz/104', { hostname: 'three', source: { type: 'copy', source: '102/s0' } })
    expect(await read('/1.0/vz/103')).toMatchObject({ hostname: 'two', config: { 'limits.cpus': '1' } })
    expect(await read('/1.0/vz/104')).toMatchObject({ hostname: 'three', config: {} })
    await act('PUT', '/1.0/vz/102', { restore: 's0' })
    expect(await read('/1.0/vz/102')).toMatchObject({ hostname: 'one', config: {}, ctid: 102 })
    expect(await list()).toEqual([101, 102, 103, 104])
    await refused(404, 'PUT', '/1.0/vz/102', { restore: 'nothing' })
  })

  test('made elsewhere get the lowest free number and keep it; those of others can be started and stopped only', async () => {
    await make(101, 'ours')
    await windlass.operate('POST', '/1.0/instances', { name: 'native', source: { type: 'image', alias: 'busybox' } })
    expect(await list()).toEqual([101, 102])
    await windlass.operate('POST', '/1.0/instances/native', { name: 'renamed' })
    expect(await read('/1.0/vz/102')).toMatchObject({ hostname: 'renamed', ctid: 102 })
    expect(await read('/1.0/vz/renamed')).toMatchObject({ ctid: 102 })
    expect(await read('/1.0/vz/ours')).toMatchObject({ ctid: 101 })
    await importTinyImage(windlass.engine.socket)
    const made = await askEngine(windlass.engine.socket, 'POST', '/containers/create?name=7777', { Image: TINY_IMAGE })
    expect(made.status).toBe(201)
    await expect.poll(list).toEqual([101, 102, 103])
    await refused(404, 'GET', '/1.0/vz/7777')
    expect(await read('/1.0/vz/103')).toMatchObject({ hostname: '7777' })
    for (const [method, body] of [['PUT', { config: {} }], ['DELETE']] as const)
      await refused(403, method, '/1.0/vz/103', body)
    await refused(403, 'POST', '/1.0/vz/104', { hostname: 'x', source: { type: 'copy', source: 103 } })
    await act('PUT', '/1.0/vz/103/state', { action: 'start' })
    expect((await askEngine(windlass.engine.socket, 'DELETE', '/containers/7777?force=1')).status).toBe(204)
    await expect.poll(list).toEqual([101, 102])
  })
})

describe('what is refused', () => {
  test('bad input is 400 with the reason', async () => {
    const creation = { hostname: 'a', source }
    for (const number of ['0', '0101', '-1', '1.5', 'abc', '99999999999', '4294967296', '%2e%2e', 'x'.repeat(3000)])
      await refused(400, 'POST', `/1.0/vz/${number}`, creation)
    for (const hostname of ['', 'a/b', 'a:b', 'a,b', 'é', 'a\nb', 'x'.repeat(65), 7, null, undefined])
      await refused(400, 'POST', '/1.0/vz/101', { ...creation, hostname })
    for (const wrong of [
      { type: 'other' },
      { type: 'image' },
      { type: 'copy' },
      {},
      null,
      { type: 'image', properties: { os: 'busybox', architecture: 'vax' } },
    ])
      await refused(400, 'POST', '/1.0/vz/101', { hostname: 'a', source: wrong })
    expect(await refused(400, 'POST', '/1.0/vz/101', { hostname: 'a', source: { type: 'migration' } })).toMatch(
      /Migration .* not possible/,
    )
    await refused(400, 'POST', '/1.0/vz/101', { ...creation, config: { 'no.such.key': '1' } })
    await refused(400, 'POST', '/1.0/vz/101', { ...creation, config: { 'limits.cpus': 2 } })
    for (const text of ['{', '', 'null', '[]', '"text"']) await refused(400, 'POST', '/1.0/vz/101', Buffer.from(text))
    await refused(400, 'POST', '/1.0/vz/101', Buffer.alloc(2 ** 20 + 1, ' '))
    expect(await list()).toEqual([])
  })

  test('what is not there is 404, what is taken or in another state 409, another tag 412', async () => {
    const uuid = '019a7b5c-1f00-7000-8000-000000000001'
    for (const path of ['101', uuid, '101/state', `${uuid}/wait`, '101/x']) await refused(404, 'GET', `/1.0/vz/${path}`)
    await refused(404, 'PUT', '/1.0/vz/101', { config: {} })
    await refused(404, 'DELETE', '/1.0/vz/101')
    await refused(404, 'POST', '/1.0/vz/101', { hostname: 'a', source: { type: 'copy', source: '999' } })
    for (const [method, path, allow] of [
      ['POST', '/1.0/vz', 'GET'],
      ['PATCH', '/1.0/vz/101', 'GET, POST, PUT, DELETE'],
      ['DELETE', '/1.0/vz/101/state', 'GET, PUT'],
    ] as const) {
      await refused(405, method, path)
      expect((await windlass.call(method, path)).headers.allow).toBe(allow)
    }
    await make(101, 'one')
    await refused(409, 'POST', '/1.0/vz/101', { hostname: 'two', source })
    await refused(409, 'POST', '/1.0/vz/102', { hostname: 'one', source })
    await refused(409, 'PUT', '/1.0/vz/101/state', { action: 'stop' })
    await refused(400, 'PUT', '/1.0/vz/101/state', { action: 'jump' })
    await refused(400, 'PUT', '/1.0/vz/101', { hostname: 'other' })
    await refused(412, 'PUT', '/1.0/vz/101', { config: {} }, { 'if-match': '"other"' })
    const { etag = '' } = (await windlass.call('GET', '/1.0/vz/101')).headers
    await act('PUT', '/1.0/vz/101', { config: {} }, { 'if-match': etag })
    await act('PUT', '/1.0/vz/101/state', { action: 'start' })
    await refused(409, 'PUT', '/1.0/vz/101/state', { action: 'start' })
    await refused(409, 'DELETE', '/1.0/vz/101')
  })

  test('of creations of one number at the same time only one is accepted', async () => {
    const names = ['a1', 'b1', 'c1', 'd1']
    const answers = await Promise.all(
      names.map((hostname) => windlass.call('POST', '/1.0/vz/101', { hostname, source })),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409])
    await Promise.all(answers.map(finished))
    expect(await list()).toEqual([101])
  })

  test('who has no token gets 401; a token as Bearer or password is let in', async () => {
    const { url } = windlass.api
    const wrong = await fetch(`${url}/1.0/vz`)
    expect(wrong.status).toBe(401)
    expect(await wrong.json()).toEqual({
      type: 'error',
      error: 'failure',
      error_code: 401,
      metadata: { message: 'not authorized' },
    })
    const basic = `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`
    for (const [authorization, status] of [
      [`Bearer ${TOKEN}`, 200],
      [basic, 200],
      ['Bearer other', 401],
    ] as const)
      expect((await fetch(`${url}/1.0/vz`, { headers: { authorization } })).status).toBe(status)
  })
})

test('operations are at both URLs, one that has ended cannot be cancelled; a key repeats the answer', async () => {
  const headers = { 'idempotency-key': 'k1' }
  const send = () => windlass.call('POST', '/1.0/vz/101', { hostname: 'one', source }, headers)
  const first = await send()
  await finished(first)
  const again = await send()
  expect(again.status).toBe(202)
  expect(fieldOf(again.body, 'operation')).toBe(fieldOf(first.body, 'operation'))
  const id = String(fieldOf(first.body, 'operation')).slice('/1.0/vz/'.length)
  expect(await read(`/1.0/vz/${id}/`)).toMatchObject({
    id,
    status_code: 200,
    resources: { containers: ['/1.0/vz/101'] },
  })
  expect(await windlass.call('GET', `/1.0/operations/${id}`)).toMatchObject({ status: 200, body: { metadata: { id } } })
  await refused(400, 'DELETE', `/1.0/vz/${id}`)
})

test('a prefix stands before every URL it gives', async () => {
  const { socket } = await windlass.startApi({ WINDLASS_DIALECTS: 'vz=/old' })
  const body = { hostname: 'one', source: { type: 'none' } }
  const made = await callApi(socket, { method: 'POST', path: '/old/1.0/vz/101', body })
  const url = String(made.headers.location)
  expect(url).toMatch(/^\/old\/1\.0\/vz\/[0-9a-f-]{36}$/)
  expect(made.body).toMatchObject({ operation: url, resources: { containers: ['/old/1.0/vz/101'] } })
  const waited = await callApi(socket, { method: 'GET', path: `${url}/wait` })
  expect(waited.body).toMatchObject({ metadata: { status_code: 200 } })
})

test("a client written from the manual runs the manual's examples", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    'test/dialects/clients/vz.mjs',
    String(windlass.api.url),
    TOKEN,
    process.arch === 'x64' ? 'x86_64' : 'aarch64',
  ])
  expect(stdout.trim().split('\n')).toEqual([
    'list []',
    'create /1.0/vz/101',
    'list [101]',
    'start /1.0/vz/101',
    'show my-new-container 1 Running 103',
    'machine disk_space,disk_usage,memory,free_memory,cpu_load,ip_address',
    'update /1.0/vz/101',
    'state {"status":"Running","status_code":103}',
    'stop /1.0/vz/101',
    'delete /1.0/vz/101',
    'gone 404 error failure 404',
  ])
})

test('COVERAGE.md names every endpoint', async () => {
  const coverage = await readFile('test/dialects/COVERAGE.md', 'utf8')
  const section = /^## vz\n([^]*?)(?=^## |$(?![^]))/m.exec(coverage)?.[1] ?? ''
  const document: { paths: Record<string, object> } = JSON.parse(await readFile('openapi/vz.json', 'utf8'))
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of Object.keys(methods)) expect(section).toContain(`\`${method.toUpperCase()} ${path}\``)
})
