import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { engineObjects, type EngineObjects } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'
import { readTar } from '../../src/engine/docker/tar-reader.ts'
import { inPieces, makeEntry } from '../unit/engine/tarball-archives.ts'

let windlass: TestWindlass
let tarball: Buffer
let fingerprint: string
let uploaded: Operation

beforeAll(async () => {
  windlass = await startWindlass({ workers: 2 })
  tarball = gzipSync(await tinyImageTar())
  fingerprint = sha256(tarball)
  const headers = {
    'x-lxd-filename': 'tiny.tar.gz',
    'x-lxd-properties': 'os=Tiny&description=a+tiny+one',
    'x-lxd-public': 'true',
  }
  uploaded = await windlass.operate('POST', '/1.0/images', tarball, headers)
  const alias = { name: 'tiny', target: fingerprint, description: 'our image' }
  await windlass.call('POST', '/1.0/images/aliases', alias)
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function metadata(path: string): Promise<unknown> {
  const answer = await windlass.call('GET', path)
  expect(answer.status).toBe(200)
  return fieldOf(answer.body, 'metadata')
}

const errorOf = ({ status, body }: { status: number; body: unknown }) => `${status} ${String(fieldOf(body, 'error'))}`

async function download(path: string): Promise<{ name: string; bytes: Buffer }> {
  const sent = request({ socketPath: windlass.socket, path, agent: false })
  sent.end()
  const [answer] = await once(sent, 'response')
  expect(answer.statusCode).toBe(200)
  return { name: String(answer.headers['content-disposition']), bytes: await buffer(answer) }
}

/** What the engine holds when the helpers that read volumes are gone, a moment after the last byte. */
function settled(): Promise<EngineObjects> {
  return until(20_000, withoutHelpers, () => new Error('Helper containers were left'))
}

async function withoutHelpers(): Promise<EngineObjects | undefined> {
  const objects = await engineObjects(windlass.engine.socket)
  return objects.containers.every((name) => name.endsWith('.lxd')) ? objects : undefined
}

async function instance(name: string, source: object): Promise<void> {
  const made = await windlass.operate('POST', '/1.0/instances', {
    name,
    source: { type: 'image', ...source },
    start: true,
  })
  expect(made).toMatchObject({ status: 'Success', err: '' })
}

async function gone(...names: string[]): Promise<void> {
  for (const name of names) {
    await windlass.operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true })
    expect(await windlass.operate('DELETE', `/1.0/instances/${name}`)).toMatchObject({ status: 'Success', err: '' })
  }
}

const run = (name: string, command: string[], more: object = {}): Promise<Operation> =>
  windlass.operate('POST', `/1.0/instances/${name}/exec`, { command, 'record-output': true, ...more })

async function said(operation: Operation, stream: '1' | '2' = '1'): Promise<string> {
  return (await windlass.call('GET', String(fieldOf(fieldOf(operation.metadata, 'output'), stream)))).text
}

test('an uploaded image is listed, read by any part of its fingerprint, and exported as it came', async () => {
  expect(uploaded).toMatchObject({
    status: 'Success',
    err: '',
    resources: null,
    metadata: { fingerprint, size: String(tarball.length) },
  })
  const image = await metadata(`/1.0/images/${fingerprint.slice(0, 6)}`)
  expect(image).toMatchObject({
    fingerprint,
    filename: 'tiny.tar.gz',
    public: true,
    size: tarball.length,
    architecture: 'x86_64',
    properties: { os: 'Tiny', description: 'a tiny one' },
    aliases: [{ name: 'tiny', description: 'our image' }],
    type: 'container',
  })
  expect(await metadata('/1.0/images')).toContain(`/1.0/images/${fingerprint}`)
  const { name, bytes } = await download(`/1.0/images/${fingerprint}/export`)
  expect(name).toContain(`${fingerprint}.tar.gz`)
  expect(bytes.equals(tarball)).toBe(true)
  expect(errorOf(await windlass.call('GET', '/1.0/images/ffff'))).toBe('404 Image not found')
})

test('what is no image is refused and leaves nothing on the engine', async () => {
  const before = await settled()
  const again = await windlass.call('POST', '/1.0/images', tarball)
  expect(errorOf(again)).toBe('409 Image with same fingerprint already exists')
  expect(errorOf(await windlass.call('POST', '/1.0/images', Buffer.alloc(0)))).toBe('400 The upload is empty')
  const garbage = await windlass.operate('POST', '/1.0/images', Buffer.alloc(100_000, 'garbage'))
  expect(garbage).toMatchObject({ status: 'Failure', err: 'Unsupported compression' })
  const part = '--b\r\nContent-Disposition: form-data; name="metadata"; filename="m"\r\n\r\n'
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const cut = await windlass.call('POST', '/1.0/images', Buffer.from(part + 'x'.repeat(100_000)), headers)
  expect(errorOf(cut)).toBe('400 The upload ends before its last part does')
  const half = await windlass.call('POST', '/1.0/images', Buffer.from(`${part}xxx\r\n--b--\r\n`), headers)
  expect(errorOf(half)).toContain('400 Invalid multipart image')
  expect(await settled()).toEqual(before)
})

test('aliases are made, changed, renamed and deleted with the words of LXD', async () => {
  const path = '/1.0/images/aliases'
  expect(errorOf(await windlass.call('POST', path, { name: 'tiny', target: fingerprint }))).toBe(
    '409 Alias "tiny" already exists',
  )
  expect(errorOf(await windlass.call('POST', path, { name: 'x' }))).toBe('400 name and target are required')
  expect(errorOf(await windlass.call('POST', path, { name: 'x', target: 'ffff' }))).toBe('404 Image not found')
  expect((await windlass.call('POST', path, { name: 'x', target: fingerprint.slice(0, 12) })).status).toBe(201)
  expect(await metadata(`${path}/x`)).toEqual({ name: 'x', description: '', target: fingerprint, type: 'container' })
  expect((await windlass.call('PATCH', `${path}/x`, { description: 'new' })).status).toBe(200)
  expect((await windlass.call('POST', `${path}/x`, { name: 'y' })).status).toBe(201)
  expect(errorOf(await windlass.call('POST', `${path}/y`, { name: 'tiny' }))).toBe('409 Alias "tiny" already exists')
  expect(await metadata(`${path}/y`)).toMatchObject({ name: 'y', description: 'new', target: fingerprint })
  expect((await windlass.call('DELETE', `${path}/y`)).status).toBe(200)
  expect(errorOf(await windlass.call('DELETE', `${path}/y`))).toBe('404 Image alias not found')
})

test('an alias with slashes is the same whether its client escapes them or not', async () => {
  const path = '/1.0/images/aliases'
  expect((await windlass.call('POST', path, { name: 'tiny/1/x', target: fingerprint })).status).toBe(201)
  for (const name of ['tiny/1/x', 'tiny%2F1%2Fx', 'tiny/1%2Fx'])
    expect(await metadata(`${path}/${name}`), name).toMatchObject({ name: 'tiny/1/x', target: fingerprint })
  expect((await windlass.call('PATCH', `${path}/tiny/1/x`, { description: 'new' })).status).toBe(200)
  const put = { target: fingerprint, description: 'newer' }
  expect((await windlass.call('PUT', `${path}/tiny/1/x`, put, { 'if-match': '"old"' })).status).toBe(412)
  expect((await windlass.call('POST', `${path}/tiny/1/x`, { name: 'tiny/2' })).status).toBe(201)
  expect(await metadata(`${path}/tiny/2`)).toMatchObject({ name: 'tiny/2', description: 'new' })
  expect((await windlass.call('DELETE', `${path}/tiny/2`)).status).toBe(200)
  expect(errorOf(await windlass.call('GET', `${path}/tiny/2`))).toBe('404 Image alias not found')
})

test('properties are replaced by PUT, merged by PATCH, and only of what was read', async () => {
  const path = `/1.0/images/${fingerprint}`
  expect((await windlass.call('PATCH', path, { properties: { release: '1' } })).status).toBe(200)
  expect(await metadata(path)).toMatchObject({ properties: { os: 'Tiny', release: '1' }, public: true })
  expect((await windlass.call('PUT', path, { properties: {} }, { 'if-match': '"old"' })).status).toBe(412)
  expect((await windlass.call('PUT', path, { properties: { os: 'Tiny' }, public: false })).status).toBe(200)
  expect(await metadata(path)).toMatchObject({ properties: { os: 'Tiny' }, public: false })
})

test('an instance and a snapshot are published; what is made of them has their files and outlives them', async () => {
  await instance('p1', { alias: 'tiny' })
  await run('p1', ['sh', '-c', 'echo one > /root/note'])
  await windlass.operate('POST', '/1.0/instances/p1/snapshots', { name: 's0' })
  await run('p1', ['sh', '-c', 'echo two > /root/note'])
  const live = { source: { type: 'instance', name: 'p1' }, aliases: [{ name: 'live', description: '' }] }
  const published = await windlass.operate('POST', '/1.0/images', live)
  expect(published).toMatchObject({ status: 'Success', err: '', metadata: { fingerprint: expect.any(String) } })
  const fromSnapshot = { source: { type: 'snapshot', name: 'p1/s0' }, compression_algorithm: 'zstd' }
  const older = await windlass.operate('POST', '/1.0/images', fromSnapshot)
  expect(older).toMatchObject({ status: 'Success', err: '' })
  expect(await metadata('/1.0/instances/p1')).toMatchObject({ status: 'Running' })
  await gone('p1')
  const first = String(older.metadata?.['fingerprint'])
  const { name, bytes } = await download(`/1.0/images/${first}/export`)
  expect([name.includes(`${first}.tar.zst`), sha256(bytes)]).toEqual([true, first])
  expect(await metadata(`/1.0/images/${first}`)).toMatchObject({ properties: { os: 'Tiny' }, size: bytes.length })
  await instance('p2', { alias: 'live' })
  await instance('p3', { fingerprint: first })
  expect(await said(await run('p2', ['cat', '/root/note']))).toBe('two\n')
  expect(await said(await run('p3', ['cat', '/root/note']))).toBe('one\n')
  const removed = await windlass.call('DELETE', `/1.0/images/${first}`)
  // Whoever does not wait, as pylxd, finds it gone all the same.
  expect(errorOf(await windlass.call('DELETE', `/1.0/images/${first}`))).toBe('404 Image not found')
  expect(await windlass.ended(removed)).toMatchObject({ status: 'Success', err: '' })
  await windlass.operate('PUT', '/1.0/instances/p3/state', { action: 'restart', force: true })
  expect(await said(await run('p3', ['cat', '/root/note']))).toBe('one\n')
  const imported = await windlass.operate('POST', '/1.0/images', bytes)
  expect(imported).toMatchObject({ status: 'Success', err: '', metadata: { fingerprint: first } })
  await instance('p4', { fingerprint: first })
  expect(await said(await run('p4', ['cat', '/root/note']))).toBe('one\n')
  await gone('p2', 'p3', 'p4')
})

test('publishing what is not there is refused at once', async () => {
  const publish = (source: object) => windlass.call('POST', '/1.0/images', { source })
  expect(errorOf(await publish({ type: 'instance', name: 'nosuch' }))).toBe('404 Instance not found')
  expect(errorOf(await publish({ type: 'carrot' }))).toContain('400 ')
  expect(errorOf(await windlass.call('POST', '/1.0/images', {}))).toContain('400 ')
})

test('an LXD image boots its own init', async () => {
  const parts = [
    makeEntry({ name: 'metadata.yaml', content: 'architecture: x86_64\nproperties:\n  os: Booting\n' }),
    makeEntry({ name: 'rootfs/sbin', type: 'directory', mode: 0o755 }),
    makeEntry({ name: 'rootfs/sbin/init', type: 'symlink', linkname: '/bin/busybox' }),
  ]
  for await (const { body, ...entry } of readTar(inPieces(await tinyImageTar(), 65_536))) {
    const chunks: Buffer[] = []
    for await (const chunk of body()) chunks.push(chunk)
    parts.push(makeEntry({ ...entry, name: `rootfs/${entry.name}`, content: Buffer.concat(chunks) }))
  }
  const system = Buffer.concat([...parts, Buffer.alloc(1024)])
  const imported = await windlass.operate('POST', '/1.0/images', system)
  expect(imported).toMatchObject({ status: 'Success', err: '' })
  await instance('sys', { fingerprint: sha256(system) })
  expect(await said(await run('sys', ['sh', '-c', 'tr "\\0" " " < /proc/1/cmdline']))).toMatch(/^(\/sbin\/)?init/)
  expect(await metadata('/1.0/instances/sys')).toMatchObject({ config: { 'image.os': 'Booting' } })
  await gone('sys')
})

test('a command ends with its exit code, its output in logs of the instance', async () => {
  await instance('e1', { alias: 'tiny' })
  const both = await run('e1', ['sh', '-c', 'echo out; echo err >&2; pwd; exit 7'], { cwd: '/tmp' })
  expect(both).toMatchObject({ status: 'Success', err: '', metadata: { return: 7 } })
  expect(await said(both)).toBe('out\n/tmp\n')
  expect(await said(both, '2')).toBe('err\n')
  const user = await run('e1', ['sh', '-c', 'id -u; id -g; echo $HOME-$COLOUR'], {
    user: 1000,
    group: 1001,
    environment: { COLOUR: 'blue' },
  })
  expect(await said(user)).toBe('1000\n1001\n/-blue\n')
  const missing = await run('e1', ['nosuchcommand'])
  expect(missing).toMatchObject({ status: 'Failure', err: 'Command not found', metadata: { return: 127 } })
  const passwd = await run('e1', ['/etc/passwd'])
  expect(passwd).toMatchObject({ status: 'Failure', err: 'Command not executable', metadata: { return: 126 } })
  const silent = await run('e1', ['sh', '-c', 'echo lost; kill -9 $$'], { 'record-output': false })
  expect(silent.metadata).toEqual({ return: 137 })
  const logs = await metadata('/1.0/instances/e1/logs')
  const own = String(fieldOf(fieldOf(both.metadata, 'output'), '1'))
  expect(logs).toEqual(expect.arrayContaining([own, '/1.0/instances/e1/logs/console.log']))
  expect((await windlass.call('DELETE', own)).status).toBe(200)
  expect((await windlass.call('GET', own)).status).toBe(404)
  expect((await windlass.call('DELETE', '/1.0/instances/e1/logs/lxc.log')).status).toBe(400)
  await gone('e1')
  expect((await settled()).volumes['output']).toBeUndefined()
})

test('more output than is kept is cut, and a cancel ends the command with its children', async () => {
  await instance('e2', { alias: 'tiny' })
  const much = await run('e2', ['sh', '-c', 'yes 0123456789abcdef | head -c 20000000; echo done >&2'])
  expect(much).toMatchObject({ status: 'Success', metadata: { return: 0 } })
  expect((await said(much)).length).toBe(16 * 1024 * 1024)
  expect(await said(much, '2')).toBe('done\n')
  const body = { command: ['sh', '-c', 'sleep 987 & sleep 987'], 'record-output': true }
  const accepted = await windlass.call('POST', '/1.0/instances/e2/exec', body)
  const sleeping = async () => (await said(await run('e2', ['sh', '-c', 'ps | grep -c "[s]leep 987"']))).trim()
  await until(
    20_000,
    async () => ((await sleeping()) === '0' ? undefined : true),
    () => new Error('It does not run'),
  )
  const operation = String(fieldOf(accepted.body, 'operation'))
  expect((await windlass.call('DELETE', operation)).status).toBe(200)
  expect(await windlass.ended(accepted)).toMatchObject({ status: 'Cancelled' })
  expect(await sleeping()).toBe('0')
  await gone('e2')
})

test('an image is pulled from a registry once, with credentials that nobody sees', async () => {
  const { registry, port } = await startRegistry()
  try {
    const reference = `127.0.0.1:${port}/tiny/image:1`
    const pull = {
      source: { type: 'image', alias: reference, username: 'u', password: 'p' },
      aliases: [{ name: 'pulled' }],
    }
    const refused = await windlass.operate('POST', '/1.0/images', { source: { ...pull.source, password: 'wrong' } })
    expect(refused.status).toBe('Failure')
    const pulled = await windlass.operate('POST', '/1.0/images', pull)
    expect(pulled).toMatchObject({ status: 'Success', err: '' })
    const image = await metadata('/1.0/images/aliases/pulled')
    expect(image).toMatchObject({ target: pulled.metadata?.['fingerprint'] })
    const again = await windlass.operate('POST', '/1.0/images', { source: pull.source })
    expect(again.metadata?.['fingerprint']).toBe(pulled.metadata?.['fingerprint'])
    const made = await windlass.operate('POST', '/1.0/instances', {
      name: 'q1',
      source: { type: 'image', alias: reference },
    })
    expect(made).toMatchObject({ status: 'Success', err: '' })
    const missing = { name: 'q2', source: { type: 'image', alias: `127.0.0.1:${port}/tiny/nothing:1` } }
    expect(await windlass.operate('POST', '/1.0/instances', missing)).toMatchObject({ status: 'Failure' })
    const target = String(fieldOf(image, 'target'))
    const { name, bytes } = await download(`/1.0/images/${target}/export`)
    expect(name).toContain(`${target}.tar.gz`)
    expect((await download(`/1.0/images/${target}/export`)).bytes.equals(bytes)).toBe(true)
    const files: string[] = []
    for await (const entry of readTar(inPieces(gunzipSync(bytes)))) files.push(entry.name)
    expect(files).toEqual(expect.arrayContaining(['metadata.yaml', 'rootfs/hello']))
    const unknown = { name: 'q3', source: { type: 'image', alias: 'nosuchimage' } }
    expect(errorOf(await windlass.call('POST', '/1.0/instances', unknown))).toBe('404 Image alias not found')
    expect(await windlass.redis.command('EVAL', SECRETS, '0')).toBe(':0')
  } finally {
    registry.kill('SIGKILL')
  }
})

/** How many strings and hashes in Redis hold the password. */
const SECRETS = `
  local found = 0
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    local values = {}
    if kind == 'string' then values = { redis.call('GET', key) }
    elseif kind == 'hash' then values = redis.call('HVALS', key) end
    for _, value in ipairs(values) do
      if string.find(value, '"password":"p"', 1, true) then found = found + 1 end
    end
  end
  return found`

async function startRegistry(): Promise<{ registry: ChildProcess; port: string }> {
  const [program, ...args] = windlass.engine.netnsCommand([process.execPath, 'test/ports/tiny-registry.ts'])
  const registry = spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const { stdout } = registry
  const [chunk] = await once(stdout, 'data')
  return { registry, port: String(chunk).trim() }
}
