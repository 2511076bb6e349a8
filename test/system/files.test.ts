import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askApi } from '../support/ask-api.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, staticBusybox, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// Files in instances by plain HTTP: what LXD's own client never sends, and what nobody should.

const TOKEN = 'files-admin-token-0123456789'
const POINT = 'snapshot.restore.container.before@busy'
const STARTING = 'instance.start.name.before@pending'
let windlass: TestWindlass
let outside: string

beforeAll(async () => {
  const env = { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN, WINDLASS_TEST_POINT: `${POINT},${STARTING}` }
  windlass = await startWindlass({ workers: 1, env })
  outside = await mkdtemp(join(tmpdir(), 'windlass-canary-'))
  await writeFile(join(outside, 'canary'), 'alive')
  await publishStarterImage(windlass.socket, await staticBusybox())
  const source = { type: 'image', alias: 'busybox' }
  for (const [name, start] of [
    ['on', true],
    ['off', false],
    ['busy', false],
  ] as const)
    await windlass.operate('POST', '/1.0/instances', { name, source, start })
})

afterAll(async () => {
  await windlass?.[Symbol.asyncDispose]()
  await rm(outside, { recursive: true, force: true })
})

const urlOf = (name: string, path: string) => `/1.0/instances/${name}/files?path=${encodeURIComponent(path)}`
const get = (name: string, path: string) => windlass.call('GET', urlOf(name, path))
const push = (name: string, path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  windlass.call('POST', urlOf(name, path), Buffer.from(body), headers)
const remove = (name: string, path: string) => windlass.call('DELETE', urlOf(name, path))
const inside = async (name: string, script: string) => {
  const body = { command: ['sh', '-c', script], 'record-output': true }
  const { metadata } = await windlass.operate('POST', `/1.0/instances/${name}/exec`, body)
  const [out] = Object.values(Object(metadata?.['output']))
  return (await windlass.call('GET', String(out))).text
}

describe.each(['on', 'off'])('while it is %s', (name) => {
  test('a file has its owner, mode, type and time, and keeps what is not said', async () => {
    const own = { 'X-LXD-type': 'file', 'X-LXD-mode': '0600', 'X-LXD-uid': '1000', 'X-LXD-gid': '1001' }
    expect((await push(name, '/root/a', 'abc', own)).body).toMatchObject({
      type: 'sync',
      status_code: 200,
      metadata: {},
    })
    await push(name, '/root/a', 'def', { 'X-LXD-type': 'file', 'X-LXD-write': 'append' })
    const pulled = await get(name, 'root/a')
    expect(pulled.text).toBe('abcdef')
    const headers = {
      'x-lxd-type': 'file',
      'x-lxd-mode': '0600',
      'x-lxd-uid': '1000',
      'x-lxd-gid': '1001',
      'x-lxd-modified': expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/),
    }
    expect(pulled.headers).toMatchObject({
      ...headers,
      'content-type': 'application/octet-stream',
      'content-length': '6',
      'content-disposition': 'inline;filename=a',
    })
    const head = await windlass.call('HEAD', urlOf(name, '/root/a'))
    expect([head.status, head.headers, head.text]).toMatchObject([200, headers, ''])
    await push(name, '/root/a', 'new')
    expect((await get(name, '/root/a')).headers).toMatchObject({ ...headers, 'content-length': '3' })
    await push(name, '/root/plain', '{"is": "JSON"}', { 'content-type': 'application/json' })
    expect(await get(name, '/root/plain')).toMatchObject({ text: '{"is": "JSON"}', headers: { 'x-lxd-mode': '0644' } })
  })

  test('one that is there keeps its permissions, but for those that are named', async () => {
    const permissionsOf = async () => {
      const { headers } = await get(name, '/root/secret')
      return [headers['x-lxd-mode'], headers['x-lxd-uid'], headers['x-lxd-gid']]
    }
    await push(name, '/root/secret', 'a', { 'X-LXD-mode': '0600', 'X-LXD-uid': '5', 'X-LXD-gid': '6' })
    // What LXD's client sends of every file.
    const asked = { 'X-LXD-mode': '0755', 'X-LXD-uid': '0', 'X-LXD-gid': '0' }
    await push(name, '/root/secret', 'b', asked)
    expect([(await get(name, '/root/secret')).text, ...(await permissionsOf())]).toEqual(['b', '0600', '5', '6'])
    await push(name, '/root/secret', 'c', { ...asked, 'X-LXD-modify-perm': 'gid, mode' })
    expect(await permissionsOf()).toEqual(['0755', '5', '0'])
    await push(name, '/root/secret', 'd', { 'X-LXD-mode': '0640', 'X-LXD-modify-perm': 'uid,gid,mode' })
    expect(await permissionsOf()).toEqual(['0640', '5', '0'])
    const refused = await push(name, '/root/secret', 'e', { 'X-LXD-modify-perm': 'owner' })
    expect([refused.status, fieldOf(refused.body, 'error')]).toEqual([400, 'Bad file permission to modify: owner'])
  })

  test('a directory is its names, a link its target', async () => {
    const directory = { 'X-LXD-type': 'directory', 'X-LXD-mode': '0711' }
    for (const again of [false, true])
      expect([again, (await push(name, '/root/dir', '', directory)).status]).toEqual([again, 200])
    await push(name, '/root/dir/link', '../a', { 'X-LXD-type': 'symlink' })
    const listed = await get(name, '/root/dir')
    expect([listed.body, listed.headers]).toMatchObject([
      { type: 'sync', metadata: ['link'] },
      { 'content-type': 'application/json', 'x-lxd-type': 'directory', 'x-lxd-mode': '0711' },
    ])
    const link = await get(name, '/root/dir/link')
    expect([link.text, link.headers]).toMatchObject(['/root/a', { 'x-lxd-type': 'symlink', 'x-lxd-mode': '0777' }])
    expect(fieldOf((await get(name, '/')).body, 'metadata')).toEqual(
      expect.arrayContaining(['bin', 'etc', 'root', 'tmp']),
    )
    for (const path of ['/root/dir/link', '/root/dir']) expect((await remove(name, path)).status).toBe(200)
    expect((await remove(name, '/root/dir')).body).toMatchObject({ error_code: 404, error: 'Not Found' })
  })

  test('nothing leads out of it', async () => {
    const canary = join(outside, 'canary')
    await push(name, '/root/out', outside, { 'X-LXD-type': 'symlink' })
    await push(name, '/root/up', `../../../../../../../../..${canary}`, { 'X-LXD-type': 'symlink' })
    await push(name, '/root/host', canary, { 'X-LXD-type': 'symlink' })
    expect((await get(name, '/root/out/canary')).status).toBe(404)
    expect((await push(name, '/root/out/canary', 'dead')).status).toBe(404)
    expect((await push(name, '/root/up', 'dead')).status).toBe(404)
    expect((await push(name, '/root/host', 'dead')).status).toBe(404)
    expect((await get(name, `/root/../../../../..${canary}`)).status).toBe(404)
    // Inside there may be such a folder as well: that is the one that is meant.
    const parents = outside
      .split('/')
      .slice(1)
      .map((_, index, all) => `/${all.slice(0, index + 1).join('/')}`)
    for (const parent of parents) await push(name, parent, '', { 'X-LXD-type': 'directory' })
    expect((await push(name, '/root/up', 'inside')).status).toBe(200)
    expect((await get(name, '/root/out/canary')).text).toBe('inside')
    expect((await get(name, canary)).text).toBe('inside')
    expect((await remove(name, '/root/out/canary')).status).toBe(200)
    await push(name, '/root/etc', '/etc', { 'X-LXD-type': 'symlink' })
    await push(name, '/root/etc/through', 'a link')
    expect((await get(name, '../../etc/through')).text).toBe('a link')
    expect(await readFile(canary, 'utf8')).toBe('alive')
    expect(await readdir(outside)).toEqual(['canary'])
  })

  test('links in a circle are refused', async () => {
    for (const [from, to] of [
      ['x', 'y'],
      ['y', 'x'],
    ])
      await push(name, `/root/circle-${from}`, `circle-${to}`, { 'X-LXD-type': 'symlink' })
    expect((await push(name, '/root/circle-x', 'x')).status).toBe(400)
    expect((await get(name, '/root/circle-x/below')).status).toBe(400)
    for (const one of ['x', 'y']) expect((await remove(name, `/root/circle-${one}`)).status).toBe(200)
  })

  test('an upload that is cut off leaves what was there, and nothing else', async () => {
    await push(name, '/root/cut/', '', { 'X-LXD-type': 'directory' })
    await push(name, '/root/cut/whole', 'before')
    for (const size of [10, 6_000_000]) {
      await new Promise<void>((resolve) => {
        const sent = request({ socketPath: windlass.socket, method: 'POST', path: urlOf(name, '/root/cut/whole') })
        sent.on('error', () => undefined).on('close', () => resolve())
        sent.write(Buffer.alloc(size, 'x'), () => sent.destroy())
      })
      await expect.poll(async () => fieldOf((await get(name, '/root/cut')).body, 'metadata')).toEqual(['whole'])
      expect((await get(name, '/root/cut/whole')).text).toBe('before')
    }
  })

  test('a large file with its length comes and goes whole', async () => {
    const large = Buffer.alloc(20_000_001, 'windlass ')
    expect((await push(name, '/root/large', large)).status).toBe(200)
    const back = await get(name, '/root/large')
    expect([back.text.length, back.text.slice(-9)]).toEqual([large.length, large.subarray(-9).toString()])
    await remove(name, '/root/large')
  })
})

test.each([
  ['-rf', 'a name like an option'],
  ['BZh9', 'compression in its first bytes'],
  ['\u001f\u008b', 'gzip'],
  ['with\nline', 'two lines'],
  ['%2e%2e%2f', 'percent signs'],
  ['x'.repeat(255), 'the longest name'],
  ['ü'.repeat(127), 'bytes above ASCII'],
  ['$(touch pwned);\'`"', 'what a shell would do'],
])('a file may be called %j: %s', async (file) => {
  const content = Buffer.from('1f8b0800000000000003', 'hex')
  expect((await push('on', `/srv/${file}`, content)).status).toBe(404)
  await push('on', '/srv', '', { 'X-LXD-type': 'directory' })
  expect((await push('on', `/srv/${file}`, content)).status).toBe(200)
  expect((await push('on', `/srv/${file}`, 'more', { 'X-LXD-write': 'append' })).status).toBe(200)
  expect(fieldOf((await get('on', '/srv')).body, 'metadata')).toEqual([file])
  expect((await get('on', `/srv/${file}`)).headers['content-length']).toBe(String(content.length + 4))
  expect((await remove('on', `/srv/${file}`)).status).toBe(200)
  expect((await remove('on', '/srv')).status).toBe(200)
  expect((await get('on', '/pwned')).status).toBe(404)
})

test.each([
  ['GET', '', {}, 400, 'Missing path argument'],
  ['POST', '', {}, 400, 'Missing path argument'],
  ['GET', '/a\0b', {}, 400, 'Invalid path: it contains a NUL'],
  ['POST', `/root/${'x'.repeat(256)}`, {}, 400, 'Invalid path: file name too long'],
  ['GET', '/x'.repeat(2048), {}, 400, 'Invalid path: file name too long'],
  ['POST', '/root/a', { 'X-LXD-type': 'nosuch' }, 400, 'Bad file type: nosuch'],
  ['POST', '/root/a', { 'X-LXD-write': 'nosuch' }, 400, 'Bad file write mode: nosuch'],
  ['POST', '/root/a', { 'X-LXD-mode': '0999' }, 400, 'Bad file mode: 0999'],
  ['POST', '/root/a', { 'X-LXD-uid': '-1' }, 400, 'Bad file uid: -1'],
  ['POST', '/root/a', { 'X-LXD-gid': '4294967295' }, 400, 'Bad file gid: 4294967295'],
  ['POST', '/etc', {}, 400, 'sftp: "open /etc: is a directory" (SSH_FX_FAILURE)'],
  ['POST', '/etc/passwd', { 'X-LXD-type': 'directory' }, 400, expect.stringContaining('not a directory')],
  ['POST', '/etc/passwd', { 'X-LXD-type': 'symlink' }, 400, 'The body must be the target of the symlink'],
  ['POST', '/etc/passwd/x', {}, 400, expect.stringContaining('not a directory')],
  ['GET', '/etc/passwd/x', {}, 400, expect.stringContaining('not a directory')],
  ['POST', '/no/such', {}, 404, 'Not Found'],
  ['GET', '/no/such', {}, 404, 'Not Found'],
  ['DELETE', '/no/such', {}, 404, 'Not Found'],
  ['DELETE', '/', {}, 400, 'The root directory cannot be deleted'],
  ['DELETE', '/etc', {}, 400, 'sftp: "remove /etc: directory not empty" (SSH_FX_FAILURE)'],
])('%s %j with %j is refused with %i', async (...[method, path, headers, status, error]) => {
  const before = (await get('off', '/etc/passwd')).text
  const body = method === 'POST' ? Buffer.from('') : undefined
  const answer = await windlass.call(method, urlOf('off', path), body, headers)
  expect([answer.status, fieldOf(answer.body, 'error')]).toEqual([status, error])
  expect((await get('off', '/etc/passwd')).text).toBe(before)
})

test('what a running one has in memory is written where its processes see it', async () => {
  await push('on', '/dev/shm/a', 'shared', { 'X-LXD-mode': '0604' })
  expect(await inside('on', 'stat -c %a /dev/shm/a; cat /dev/shm/a')).toBe('604\nshared')
  expect((await get('on', '/dev/shm/a')).text).toBe('shared')
  expect((await get('on', '/dev/null')).body).toMatchObject({ error_code: 400 })
})

test('a name that is mounted from outside is not replaced, and not deleted', async () => {
  const before = await inside('on', 'cat /etc/hosts')
  expect((await push('on', '/etc/hosts', 'x')).status).toBe(400)
  expect((await remove('on', '/etc/hosts')).status).toBe(400)
  expect(await inside('on', 'cat /etc/hosts')).toBe(before)
})

test('a volume of its own keeps its files when its folder is to be deleted', async () => {
  await windlass.call('POST', '/1.0/storage-pools/default/volumes/custom', { name: 'v', config: {} })
  const devices = { data: { type: 'disk', pool: 'default', source: 'v', path: '/data' } }
  const source = { type: 'image', alias: 'busybox' }
  await windlass.operate('POST', '/1.0/instances', { name: 'with-volume', source, devices })
  expect((await push('with-volume', '/data/a', 'kept')).status).toBe(200)
  await remove('with-volume', '/data/a')
  expect((await remove('with-volume', '/data')).body).toMatchObject({
    error_code: 400,
    error: expect.stringContaining('mounted'),
  })
})

test('only those who may run commands may see files, and only of their projects', async () => {
  const api = windlass.api.url ?? ''
  const tokenOf = async (role: string, projects: string[] | null) => {
    const made = await windlass.call('POST', '/1.0/auth/tokens', {
      name: `${role}-${projects?.[0] ?? 'all'}`,
      role,
      projects,
    })
    return String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
  }
  const statuses = async (token: string) =>
    Promise.all(
      ['GET', 'POST', 'DELETE'].map(
        async (method) => (await askApi({ at: api, method, path: urlOf('on', '/root/by-token'), token })).status,
      ),
    )
  expect(await statuses(await tokenOf('viewer', null))).toEqual([403, 403, 403])
  expect(await statuses(await tokenOf('operator', ['elsewhere']))).toEqual([404, 404, 404])
  expect((await get('nosuch', '/root/a')).body).toMatchObject({ error_code: 404, error: 'Instance not found' })
  const operator = await tokenOf('operator', ['default'])
  await askApi({ at: api, method: 'POST', path: urlOf('on', '/root/by-token'), token: operator })
  expect((await askApi({ at: api, path: urlOf('on', '/root/by-token'), token: operator })).status).toBe(200)
})

test('of containers made by others files are read only', async () => {
  const { socket } = windlass.engine
  await importTinyImage(socket)
  await askEngine(socket, 'POST', '/containers/create?name=others', { Image: TINY_IMAGE, Cmd: ['sleep', '1000'] })
  const path = '/1.0/instances/others/files?project=docker&path=/etc/passwd'
  await expect.poll(async () => (await windlass.call('GET', path)).status, { timeout: 15_000 }).toBe(200)
  for (const method of ['POST', 'DELETE'])
    expect((await windlass.call(method, path)).body).toMatchObject({
      error_code: 403,
      error: expect.stringContaining('made by others'),
    })
})

test('while a new container is made from the present one, nothing is written into it', async () => {
  await windlass.operate('POST', '/1.0/instances/busy/snapshots', { name: 's0' })
  const restoring = await windlass.call('PUT', '/1.0/instances/busy', { restore: 's0' })
  const [worker] = windlass.workers
  await worker?.holds([POINT])
  expect((await push('busy', '/root/a', 'x')).body).toMatchObject({
    error_code: 409,
    error: 'Instance is busy running a "restore" operation',
  })
  expect((await get('busy', '/etc/passwd')).status).toBe(200)
  worker?.letGo(POINT)
  expect(await windlass.ended(restoring)).toMatchObject({ status: 'Success' })
  expect((await push('busy', '/root/a', 'x')).status).toBe(200)
})

test('nor while a start makes the new container that changes wait for', async () => {
  await windlass.operate('POST', '/1.0/instances/busy', { name: 'pending' })
  const starting = await windlass.call('PUT', '/1.0/instances/pending/state', { action: 'start' })
  const [worker] = windlass.workers
  await worker?.holds([STARTING])
  expect((await push('pending', '/root/b', 'x')).body).toMatchObject({
    error_code: 409,
    error: 'Instance is busy running a "start" operation',
  })
  worker?.letGo(STARTING)
  expect(await windlass.ended(starting)).toMatchObject({ status: 'Success' })
  expect((await push('pending', '/root/b', 'x')).status).toBe(200)
})

test('the same request with its key again writes once', async () => {
  const send = (body: string) =>
    callApi(windlass.socket, {
      method: 'POST',
      path: urlOf('off', '/root/once'),
      body: Buffer.from(body),
      headers: { 'Idempotency-Key': 'k1', 'X-LXD-write': 'append' },
    })
  for (let round = 0; round < 2; round++) expect((await send('x')).status).toBe(200)
  expect((await get('off', '/root/once')).text).toBe('x')
})
