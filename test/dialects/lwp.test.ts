import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { documentOf } from './documented.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { differenceOf, readAddedKeys, readDeviations, readRecorded, sendRaw, type HttpAnswer } from './curl-recorded.ts'

// The token of the recordings.
const TOKEN = 's3cr3t-api-token-01'
const ADMIN = 'the-admin-token-of-this-test'
const OK = { status: 'ok' }

const checkDocumented = documentOf('lwp')
let windlass: TestWindlass
let url: string

beforeAll(async () => {
  windlass = await startWindlass({
    workers: 1,
    env: {
      WINDLASS_HTTP: '127.0.0.1:0',
      WINDLASS_TOKEN: ADMIN,
      LOG_LEVEL: 'trace',
      WINDLASS_LWP_TEMPLATES: 'web=sshd',
    },
  })
  url = windlass.api.url ?? ''
  await publishStarterImage(windlass.socket, '/bin/busybox')
  await done('POST', 'tokens', { token: TOKEN })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

/** Over the socket, where everybody is the administrator. */
async function lwp(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
  const answer = await windlass.call(method, `/api/v1/${path}`, body, headers)
  checkDocumented(method, `/api/v1/${path}`, answer)
  return answer
}

const refused = (error: unknown) => ({ error, status: 'error' })

async function done(method: string, path: string, body?: unknown): Promise<void> {
  const { status, text } = await lwp(method, path, body)
  expect(`${status} ${text}`).toBe(`200 ${JSON.stringify(OK)}`)
}

async function fails(method: string, path: string, body: unknown, [status, error]: [number, unknown]): Promise<void> {
  const answer = await lwp(method, path, body)
  expect([answer.status, answer.body], `${method} ${path}`).toEqual([status, refused(error)])
}

test('recorded exchanges get the recorded status and keys, or those that COVERAGE.md lists', async () => {
  const recorded = await readRecorded('lwp')
  expect(recorded.length).toBeGreaterThan(40)
  const added = await readAddedKeys('lwp')
  const found: unknown[] = []
  for (const exchange of recorded) {
    const { method, path, headers, body } = exchange
    const given = body === undefined ? {} : { body }
    const answer = await sendRaw(url, { method, path, headers, ...given })
    expect(answer.headers['content-type'], `at ${path}`).toBe('application/json')
    checkDocumented(method, path, answer)
    const said = `${method} ${path}${body === undefined ? '' : ` ${body}`}`
    found.push(differenceOf(exchange, answer, { request: said, added }))
  }
  expect(found.filter((one) => one !== undefined)).toEqual(await readDeviations('lwp'))
})

test('the script of a user of the manual runs from top to bottom', async () => {
  const script = fileURLToPath(new URL('clients/lwp.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, url, TOKEN])
  expect(stdout).toContain('all of the manual')
})

test('a name keeps its dots and underscores; both names are shown, and figures are for people', async () => {
  await done('PUT', 'containers', { name: 'test_vm.1', template: 'busybox' })
  await done('PUT', 'containers/', {
    name: 'test-vm-1',
    template: 'web',
    store: 'btrfs',
    xargs: "--release-is 'not -r'",
  })
  const stopped = { name: 'test_vm.1', instance: 'test-vm-1', state: 'STOPPED', pid: 0 }
  expect((await lwp('GET', 'containers/test_vm.1')).body).toEqual(stopped)
  expect((await lwp('GET', 'containers/test-vm-1')).body).toMatchObject({
    name: 'test-vm-1',
    instance: expect.stringMatching(/^test-vm-1-\d$/),
  })
  await windlass.operate('POST', '/1.0/instances/test-vm-1', { name: 'renamed' })
  expect((await lwp('GET', 'containers/test_vm.1')).body).toMatchObject({ name: 'test_vm.1', instance: 'renamed' })
  await done('POST', 'containers/test_vm.1', { action: 'start' })
  expect((await lwp('GET', 'containers/test_vm.1')).body).toEqual({
    name: 'test_vm.1',
    instance: 'renamed',
    state: 'RUNNING',
    pid: expect.stringMatching(/^[1-9]\d*$/),
    ip: expect.stringMatching(/^10\.\d+\.\d+\.\d+$/),
    cpu_use: expect.stringMatching(/^\d+\.\d\d seconds$/),
    link: 'lxdbr0',
    ...Object.fromEntries(
      ['blkio_use', 'memory_use', 'kmem_use', 'rx_bytes', 'tx_bytes', 'total_bytes'].map((key) => [
        key,
        expect.stringMatching(/^(\d+ bytes|\d+\.\d\d [KM]iB)$/),
      ]),
    ),
  })
  await done('POST', 'containers/test_vm.1/', { action: 'freeze' })
  const { body } = await lwp('GET', 'containers')
  expect(body).toEqual([
    { container: 'c1', state: 'running' },
    { container: 'test-vm-1', state: 'stopped' },
    { container: 'test_vm.1', state: 'frozen' },
  ])
  await done('POST', 'containers/test_vm.1', { action: 'stop' })
  await fails('POST', 'containers/test_vm.1', { action: 'stop' }, [409, 'The instance is already stopped'])
  await fails('PUT', 'containers', { name: 'test_vm.1', template: 'nothing' }, [409, 'Container yet exists'])
  await done('DELETE', 'containers/test_vm.1')
  await done('DELETE', 'containers/test-vm-1/')
})

test('the options of a template choose a release', async () => {
  const { body } = await windlass.call('GET', '/1.0/images/aliases/busybox')
  const target = fieldOf(fieldOf(body, 'metadata'), 'target')
  for (const name of ['debian/trixie', 'debian-bookworm'])
    await windlass.call('POST', '/1.0/images/aliases', { name, target })
  await done('PUT', 'containers', { name: 'd1', template: 'download', xargs: '-d debian --release=trixie -a amd64' })
  await done('PUT', 'containers', { name: 'd2', template: 'debian', xargs: '-rbookworm' })
  const { body: listed } = await lwp('GET', 'containers')
  for (const container of ['d1', 'd2']) expect(listed).toContainEqual({ container, state: 'stopped' })
  for (const name of ['d1', 'd2']) await done('DELETE', `containers/${name}`)
})

test('one that runs or is frozen is killed and deleted, also an ephemeral one; its name is free then', async () => {
  await done('PUT', 'containers', { name: 'again', template: 'busybox' })
  await windlass.operate('POST', '/1.0/instances', {
    name: 'passing',
    ephemeral: true,
    source: { type: 'image', alias: 'busybox' },
  })
  for (const name of ['again', 'passing']) await done('POST', `containers/${name}`, { action: 'start' })
  await done('POST', 'containers/again', { action: 'freeze' })
  for (const name of ['again', 'passing']) {
    await done('DELETE', `containers/${name}`)
    expect((await lwp('GET', `containers/${name}`)).status).toBe(404)
  }
  await done('PUT', 'containers', { name: 'again', template: 'busybox' })
  await done('DELETE', 'containers/again')
})

test('bad input is refused in the dialect’s own shape', async () => {
  const name = 'never'
  const text = expect.any(String)
  await fails('PUT', 'containers', { name: 'a;reboot', template: 'busybox' }, [400, text])
  await fails('PUT', 'containers', { name: 5, template: 'busybox' }, [400, text])
  await fails('PUT', 'containers', { name, template: 'no-such-template' }, [404, text])
  await fails('PUT', 'containers', { name, template: '$(id)' }, [404, text])
  await fails('PUT', 'containers', { name, clone: 'nobody' }, [404, "Container doesn' t exists"])
  await fails('PUT', 'containers', { name, template: 'busybox', store: 'tape' }, [400, 'Unknown backing store "tape"'])
  await fails('PUT', 'containers', { name, template: 'busybox', xargs: "-r 'open" }, [400, text])
  await fails('PUT', 'containers', { name, template: 'busybox', xargs: '-r ;id' }, [400, text])
  await fails('PUT', 'containers', { name, template: 'download' }, [400, text])
  await fails('PUT', 'containers', { name, template: '' }, [402, 'Bad request'])
  await fails('POST', 'containers/nobody', { action: 5 }, [400, 'Bad request'])
  await fails('POST', 'tokens', { token: '' }, [400, text])
  await fails('POST', 'tokens', { token: 7 }, [400, text])
  await fails('POST', 'tokens', Buffer.alloc(1_100_000, ' '), [413, text])
  await fails('GET', 'nothing', undefined, [404, text])
  const unknown = await lwp('GET', 'tokens/')
  expect([unknown.status, unknown.headers['allow'], unknown.body]).toEqual([405, 'POST', refused(expect.any(String))])
})

test('a token goes by query, header, Bearer or Basic, in this order', async () => {
  const path = '/api/v1/containers'
  const basic = `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`
  const get = (query: string, headers: Record<string, string> = {}) =>
    sendRaw(url, { method: 'GET', path: path + query, headers })
  const good = [
    get(`?private_token=${TOKEN}`),
    get('', { 'PRIVATE-TOKEN': TOKEN }),
    get('', { authorization: `Bearer ${TOKEN}` }),
    get('', { authorization: basic }),
    get(`?private_token=${TOKEN}`, { 'private-token': 'wrong' }),
    get('', { 'private-token': TOKEN, authorization: 'Bearer wrong' }),
  ]
  expect((await Promise.all(good)).map(({ status }) => status)).toEqual(good.map(() => 200))
  const bad = [
    get(''),
    get('?private_token='),
    get('?private_token=', { 'private-token': TOKEN }),
    get('?private_token=wrong', { authorization: basic }),
    get('', { 'private-token': 'wrong', authorization: basic }),
  ]
  const answers: HttpAnswer[] = await Promise.all(bad)
  expect(answers.map(({ status, body }) => [status, body])).toEqual(bad.map(() => [401, refused('Unauthorized')]))
})

test('an added token is an operator’s, kept as a hash, in no log, and gone when it is revoked', async () => {
  const secret = 'x/1'
  const added = await sendRaw(url, {
    method: 'POST',
    path: `/api/v1/tokens?private_token=${TOKEN}`,
    body: JSON.stringify({ token: secret, description: 'short' }),
  })
  expect([added.status, added.body]).toEqual([200, OK])
  expect(added.headers['warning']).toContain('fewer than 16')
  await done('POST', 'tokens', { token: secret })
  const { body } = await windlass.call('GET', '/1.0/auth/tokens?recursion=1')
  expect(JSON.stringify(body)).toContain('"description":"short"')
  expect(JSON.stringify(body)).not.toContain(secret)
  const as = (token: string, method: string, path: string) =>
    sendRaw(url, { method, path, headers: { 'private-token': token } })
  expect((await as(secret, 'GET', '/api/v1/containers/')).status).toBe(200)
  expect((await as(secret, 'DELETE', `/api/v1/tokens/${ADMIN}`)).status).toBe(403)
  await sendRaw(url, { method: 'GET', path: '/1.0/auth/tokens', headers: { authorization: `Bearer ${secret}` } })
  for (let twice = 0; twice < 2; twice++)
    expect((await as(TOKEN, 'DELETE', `/api/v1/tokens/${encodeURIComponent(secret)}`)).body).toEqual(OK)
  expect((await as(secret, 'GET', '/api/v1/containers/')).status).toBe(401)
  await as('wrong-token-in-a-header', 'GET', '/api/v1/containers/?private_token=wrong-token-in-a-query')
  const log = windlass.api.output()
  for (const word of [TOKEN, ADMIN, encodeURIComponent(secret), 'wrong-token-in']) expect(log).not.toContain(word)
  expect(log).toContain('easily guessed')
})

test('a repeat with the same Idempotency-Key does nothing again', async () => {
  const key = { 'idempotency-key': 'lwp-once' }
  const body = { name: 'once', template: 'busybox' }
  expect((await lwp('PUT', 'containers', body, key)).body).toEqual(OK)
  expect((await lwp('PUT', 'containers', body, key)).body).toEqual(OK)
  expect((await lwp('PUT', 'containers', { ...body, name: 'twice' }, key)).status).toBe(422)
  await done('DELETE', 'containers/once')
})

test('what takes too long is a 504 with the operation’s URL, and goes on', async () => {
  const impatient = await windlass.startApi({ WINDLASS_SYNC_WAIT: '1', WINDLASS_LWP_SHORT_TOKENS: 'refuse' })
  await done('PUT', 'containers', { name: 'slow', template: 'busybox' })
  const [worker] = windlass.workers
  worker?.kill('SIGSTOP')
  const at = impatient.url ?? ''
  const headers = { 'private-token': TOKEN }
  const late = await sendRaw(at, { method: 'DELETE', path: '/api/v1/containers/slow', headers })
  worker?.kill('SIGCONT')
  expect([late.status, late.body]).toEqual([504, refused(expect.any(String))])
  const { location } = late.headers
  expect(location).toMatch(/^\/1\.0\/operations\/[0-9a-f-]{36}$/)
  expect((await windlass.call('GET', `${String(location)}/wait?timeout=60`)).text).toContain('"status":"Success"')
  const short = await sendRaw(at, { method: 'POST', path: '/api/v1/tokens', headers, body: '{"token":"x"}' })
  expect(short.status).toBe(400)
})
