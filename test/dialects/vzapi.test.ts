import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { documentOf } from './documented.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { differenceOf, readAddedKeys, readDeviations, readRecorded, sendRaw } from './curl-recorded.ts'

const ADMIN = 'the-admin-token-of-this-test'
const CONTAINERS = '/v0.1/containers/'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const checkDocumented = documentOf('vzapi')
let windlass: TestWindlass
let url: string

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: ADMIN } })
  url = windlass.api.url ?? ''
  await publishStarterImage(windlass.socket, '/bin/busybox')
  const { body } = await windlass.call('GET', '/1.0/images/aliases/busybox')
  const target = fieldOf(fieldOf(body, 'metadata'), 'target')
  await windlass.call('POST', '/1.0/images/aliases', { name: 'template1', target })
  await windlass.call('POST', '/1.0/images/aliases', { name: 't', target })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function call(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
  const answer = await windlass.call(method, path, body, headers)
  if (path.startsWith('/v0.1')) checkDocumented(method, path, answer)
  return answer
}

/** Sends it, expects this status, gives the body. */
async function send(method: string, path: string, wanted: number, body?: unknown): Promise<unknown> {
  const answer = await call(method, path, body)
  expect(answer.status, `${method} ${path} ${answer.text}`).toBe(wanted)
  expect(answer.headers['content-type']).toBe('application/json')
  return answer.body
}

const queue = async (name: string, ostemplate = 'template1') =>
  String(fieldOf(await send('POST', CONTAINERS, 202, { name, ostemplate }), 'job_id'))

async function ended(job: string): Promise<unknown> {
  await call('GET', `/1.0/operations/${job}/wait?timeout=60`)
  return send('GET', `/v0.1/jobs/${job}`, 200)
}

/** Its id. */
const make = async (name: string): Promise<string> => String(fieldOf(await ended(await queue(name)), 'entity_id'))
const read = async (id: string) => fieldOf(await send('GET', CONTAINERS + id, 200), 'container')
const patch = (id: string, parameters: Record<string, string>) => send('PATCH', CONTAINERS + id, 200, { parameters })
const remove = (id: string) => send('DELETE', CONTAINERS + id, 200)
const refused = (message: unknown, code = 100) => ({ code, message })
const native = async (name: string) =>
  fieldOf((await call('GET', `/1.0/instances/${name}`)).body, 'metadata') as { config: Record<string, string> } // an instance

/** Those of its container. */
async function addressesOf(name: string): Promise<string[]> {
  const networks = Object(fieldOf(fieldOf(await onEngine(name), 'NetworkSettings'), 'Networks'))
  return Object.values(networks).map((network) => String(fieldOf(network, 'IPAddress')))
}

/** What the engine says of the instance's container. */
async function onEngine(name: string): Promise<unknown> {
  return JSON.parse((await askEngine(windlass.engine.socket, 'GET', `/containers/${name}.lxd/json`)).text)
}

test('recorded exchanges get the recorded status and keys, or those that COVERAGE.md lists', async () => {
  const done = await queue('made-before')
  const entity = String(fieldOf(await ended(done), 'entity_id'))
  // Recorded ids are those of stand-ins: one container, one job that is done. Other jobs have a test of their own.
  const CT = '1610d969-750b-458d-a84f-7b8b2ad794c5'
  const ids = new Map([['76bf8cbb-4ad1-4056-9a97-d68988c33062', done]])
  const elsewhere = 'b68fe6ae-aaaa-47ab-b9f8-358489beb1da'
  await remove(entity)
  const recorded = (await readRecorded('vzapi')).filter(({ path }) => !path.includes(elsewhere))
  expect(recorded.length).toBeGreaterThan(35)
  const added = await readAddedKeys('vzapi')
  const found: unknown[] = []
  for (const exchange of recorded) {
    const { method, path, body } = exchange
    const at = path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => ids.get(id) ?? id)
    const answer = await call(method, at, body === undefined ? undefined : Buffer.from(body))
    expect(answer.headers['content-type'], `at ${path}`).toBe('application/json')
    const said = `${method} ${path.replace(CT, 'ID')}${body === undefined ? '' : ` ${body}`}`
    found.push(differenceOf(exchange, answer, { request: said, added }))
    if (answer.status === 202) {
      const made = await ended(String(fieldOf(answer.body, 'job_id')))
      if (body?.includes('ct100')) ids.set(CT, String(fieldOf(made, 'entity_id')))
    }
  }
  expect(found.filter((one) => one !== undefined)).toEqual(await readDeviations('vzapi'))
})

test('the script of a user of the manual runs from top to bottom, with a token in its URL', async () => {
  const script = fileURLToPath(new URL('clients/vzapi.mjs', import.meta.url))
  const at = url.replace('://', `://x:${ADMIN}@`)
  const { stdout } = await promisify(execFile)(process.execPath, [script, at])
  expect(stdout).toContain('all of the manual')
})

test('a queued name is reserved at once; the job is the operation', async () => {
  const [worker] = windlass.workers
  worker?.kill('SIGSTOP')
  const job = await queue('queued one')
  const pending = { message: 'success', status: 'pending' }
  expect(await send('GET', `/v0.1/jobs/${job}/`, 200)).toEqual(pending)
  const again = await send('POST', '/v0.1/containers', 422, { name: 'queued one', ostemplate: 'template1' })
  expect(again).toEqual(refused('A container with given name already exists'))
  const similar = await queue('queued-one')
  worker?.kill('SIGCONT')
  expect(fieldOf((await call('GET', `/1.0/operations/${job}`)).body, 'status')).toBe('Success')
  const done = await ended(job)
  expect(done).toEqual({ ...pending, status: 'done', entity_type: 'container', entity_id: expect.stringMatching(UUID) })
  const id = String(fieldOf(done, 'entity_id'))
  expect(await read(id)).toMatchObject({ id, name: 'queued one', instance: 'queued-one', ostemplate: 'template1' })
  const other = String(fieldOf(await ended(similar), 'entity_id'))
  expect(await read(other)).toMatchObject({ name: 'queued-one', instance: expect.stringMatching(/^queued-one-/) })
  for (const one of [id, other]) await remove(one)
})

test('a failed job leaves nothing: its name is free', async () => {
  const job = await queue('unlucky', 'registry.invalid/nothing:1')
  expect(await ended(job)).toEqual({ message: 'success', status: 'failed' })
  const id = await make('unlucky')
  await remove(id)
})

test('the id stays the same through rename, update and restore; other ids lead to it as well', async () => {
  const id = await make('stays')
  await windlass.operate('POST', '/1.0/instances/stays/snapshots', { name: 's0' })
  await windlass.operate('POST', '/1.0/instances/stays', { name: 'moved' })
  await windlass.operate('PUT', '/1.0/instances/moved', { restore: 's0' })
  const shown = await read(id)
  expect(shown).toMatchObject({ id, name: 'stays', instance: 'moved' })
  const container = String(fieldOf(await onEngine('moved'), 'Id'))
  for (const other of ['stays', 'moved', id.slice(0, 13), container, container.slice(0, 12), `${id}/`])
    expect(await read(other), `by ${other}`).toEqual(shown)
  await remove(id)
})

test('parameters act; what needs a new container waits for the next start, what cannot act is named', async () => {
  const id = await make('acting')
  await windlass.operate('PUT', '/1.0/instances/acting/state', { action: 'start', timeout: 30 })
  const before = await onEngine('acting')
  const parameters = {
    hostname: 'hostname1',
    cpus: '1',
    memsize: '64',
    memsize_units: 'M',
    ipadd: '10.0.0.1',
    size: '10',
    size_units: 'G',
    nameserver: '1.1.1.1,8.8.8.8',
    description: 'busy',
    foo: 'bar',
  }
  const not_applied = ['ipadd', 'size', 'size_units', 'foo']
  expect(await patch(id, parameters)).toEqual({ message: 'success', code: 0, not_applied })
  const text = JSON.stringify(parameters)
  expect(await read(id)).toMatchObject({ parameters, ParametersJSON: { String: text, Valid: true }, not_applied })
  expect(await native('acting')).toMatchObject({
    description: 'busy',
    status: 'Running',
    config: { 'limits.cpu': '1', 'limits.memory': '64MiB', 'volatile.recreate': 'true' },
  })
  const limited = await onEngine('acting')
  expect(fieldOf(limited, 'Id')).toBe(fieldOf(before, 'Id'))
  expect(fieldOf(limited, 'HostConfig')).toMatchObject({ Memory: 64 * 2 ** 20, Dns: null })
  expect(fieldOf(limited, 'Config')).toMatchObject({ Hostname: 'acting' })
  await windlass.operate('PUT', '/1.0/instances/acting/state', { action: 'restart', timeout: 30, force: true })
  const renewed = await onEngine('acting')
  expect(renewed).toMatchObject({
    State: { Running: true },
    Config: { Hostname: 'hostname1' },
    HostConfig: { Memory: 64 * 2 ** 20, Dns: ['1.1.1.1', '8.8.8.8'] },
  })
  expect((await native('acting')).config['volatile.recreate']).toBeUndefined()
  // What is not named keeps its effect; the parameters shown are the last ones.
  expect(await patch(id, { hostname: 'second', memsize: '32' })).toMatchObject({ not_applied: [] })
  expect(fieldOf(await onEngine('acting'), 'HostConfig')).toMatchObject({
    Memory: 32 * 2 ** 20,
    Dns: ['1.1.1.1', '8.8.8.8'],
  })
  await windlass.operate('PUT', '/1.0/instances/acting/state', { action: 'stop', force: true, timeout: 30 })
  await windlass.operate('PUT', '/1.0/instances/acting/state', { action: 'start', timeout: 30 })
  expect(fieldOf(await onEngine('acting'), 'Config')).toMatchObject({ Hostname: 'second' })
  expect(await read(id)).toMatchObject({ parameters: { hostname: 'second', memsize: '32' } })
  await remove(id)
})

test('a stopped one is made anew at once', async () => {
  const id = await make('resting')
  await patch(id, { hostname: 'third' })
  expect(fieldOf(await onEngine('resting'), 'Config')).toMatchObject({ Hostname: 'third' })
  expect((await native('resting')).config['volatile.recreate']).toBeUndefined()
  await remove(id)
})

test('an address of the network is given at the next start, the old one to others', async () => {
  const id = await make('moving')
  await windlass.operate('PUT', '/1.0/instances/moving/state', { action: 'start', timeout: 30 })
  const [own = ''] = await addressesOf('moving')
  const ipadd = own.replace(/\d+$/, '77')
  expect(await patch(id, { ipadd })).toMatchObject({ not_applied: [] })
  expect(await addressesOf('moving')).toEqual([own])
  const other = await make('neighbour')
  expect(await send('PATCH', CONTAINERS + other, 409, { parameters: { ipadd } })).toMatchObject({ code: 100 })
  await windlass.operate('PUT', '/1.0/instances/moving/state', { action: 'stop', force: true, timeout: 30 })
  await windlass.operate('PUT', '/1.0/instances/moving/state', { action: 'start', timeout: 30 })
  expect(await addressesOf('moving')).toEqual([ipadd])
  const leases = (await call('GET', '/1.0/networks/lxdbr0/leases')).text
  expect(leases).toContain(`"${ipadd}"`)
  expect(leases).not.toContain(`"${own}"`)
  // The MAC went with it.
  expect((await native('moving')).config['volatile.eth0.hwaddr']).toMatch(/:4d$/)
  for (const one of [id, other]) await remove(one)
})

test('bad input is refused in the dialect’s own shape', async () => {
  const text = expect.any(String)
  const create = async (body: unknown, message: unknown, status = 400) =>
    expect(await send('POST', CONTAINERS, status, body)).toEqual(refused(message))
  await create(Buffer.from('null'), 'name is missing or empty')
  await create([], 'json: cannot unmarshal array into Go value of type api.AddContainerRequest')
  await create({ name: 'a/b', ostemplate: 't' }, text)
  await create({ name: 'x'.repeat(65), ostemplate: 't' }, text)
  await create({ name: 'never', ostemplate: 'no-such-template' }, text, 404)
  await create(Buffer.alloc(1_100_000, ' '), text, 413)
  const id = await make('checked')
  const update = async (body: unknown) => expect(await send('PATCH', CONTAINERS + id, 400, body)).toEqual(refused(text))
  for (const body of [undefined, {}, [], { parameters: 'x' }, { parameters: { cpus: 4 } }]) await update(body)
  for (const parameters of [{ cpus: 'all' }, { cpus: '0' }, { memsize: '1k' }, { memsize: '1', memsize_units: 'P' }])
    await update({ parameters })
  for (const parameters of [{ hostname: '$(id)' }, { nameserver: 'dns' }, { nameserver: ',' }, { ipadd: '300.0.0.1' }])
    await update({ parameters })
  expect(await read(id)).toMatchObject({ parameters: null })
  await remove(id)
  expect(await send('GET', '/v0.1/jobs/00000000-0000-7000-8000-000000000000', 404)).toEqual(refused('no such job'))
})

const get = (headers: Record<string, string>) => sendRaw(url, { method: 'GET', path: CONTAINERS, headers })
const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` })

test('it is shut without a token; Bearer and Basic open it', async () => {
  for (const headers of [{}, basic('wrong'), { authorization: 'Bearer wrong' }]) {
    const { status, body } = await get(headers)
    expect([status, body]).toEqual([401, refused(expect.any(String))])
  }
  for (const headers of [basic(ADMIN), { authorization: `Bearer ${ADMIN}` }])
    expect((await get(headers)).status).toBe(200)
})

test('opened by the operator it answers without a token, but not a browser that another site has sent', async () => {
  const opened = (await windlass.startApi({ WINDLASS_OPEN_DIALECTS: 'vzapi' })).url ?? ''
  const ask = async (headers: Record<string, string>) =>
    (await sendRaw(opened, { method: 'GET', path: CONTAINERS, headers })).status
  expect(await ask({})).toBe(200)
  expect(await ask({ origin: 'http://elsewhere.example' })).toBe(401)
  expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(401)
  expect(await ask({ host: 'rebound.example' })).toBe(401)
  expect(await ask({ authorization: 'Bearer wrong' })).toBe(401)
})

test('a repeat with the same Idempotency-Key gives the same job', async () => {
  const key = { 'idempotency-key': 'vzapi-once' }
  const body = { name: 'once', ostemplate: 'template1' }
  const first = await call('POST', CONTAINERS, body, key)
  const second = await call('POST', CONTAINERS, body, key)
  expect([second.status, second.body]).toEqual([202, first.body])
  const id = String(fieldOf(await ended(String(fieldOf(first.body, 'job_id'))), 'entity_id'))
  const patched = { parameters: { size: '1' } }
  const changes = [
    await call('PATCH', CONTAINERS + id, patched, key),
    await call('PATCH', CONTAINERS + id, patched, { 'idempotency-key': 'p' }),
  ]
  expect(changes.map(({ status }) => status)).toEqual([422, 200])
  expect((await call('PATCH', CONTAINERS + id, patched, { 'idempotency-key': 'p' })).body).toEqual(changes[1]?.body)
  await remove(id)
})
