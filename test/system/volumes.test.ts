// Custom volumes over real processes: their snapshots, copies and backups.
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { downloadApi } from '../support/download.ts'
import { engineObjects, readFileIn, writeFileIn } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { makeTar, type Made } from '../unit/engine/tarball-archives.ts'

const ALL = '/1.0/storage-pools/default/volumes/custom'
const at = (name: string) => `${ALL}/${name}`
const source = { type: 'image', alias: 'busybox' }
const OCTETS = 'application/octet-stream'

/** Of a backup: a snapshot and the volume. */
const FILES: Made[] = [
  { name: 'backup/volume-snapshots/s0/', type: 'directory' },
  { name: 'backup/volume-snapshots/s0/note', content: 'then' },
  { name: 'backup/volume/', type: 'directory' },
  { name: 'backup/volume/note', content: 'now' },
]

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

const read = async (path: string) => fieldOf((await windlass.call('GET', path)).body, 'metadata')
const mounting = (volume: string) => ({ data: { type: 'disk', pool: 'default', source: volume, path: '/data' } })

async function operate(method: string, path: string, body?: unknown): Promise<void> {
  expect(await windlass.operate(method, path, body)).toMatchObject({ status: 'Success', err: '' })
}

async function send(method: string, path: string, body?: unknown): Promise<void> {
  const { status, text } = await windlass.call(method, path, body)
  expect([status, text]).toEqual([200, expect.any(String)])
}

async function refused(method: string, path: string, body?: unknown): Promise<[number, unknown]> {
  const answer = await windlass.call(method, path, body)
  return [answer.status, fieldOf(answer.body, 'error')]
}

/** What is in volumes the engine tells through containers alone. */
async function through<T>(volume: string, work: (container: string) => Promise<T>): Promise<T> {
  await operate('POST', '/1.0/instances', { name: 'w1', source, devices: mounting(volume) })
  try {
    return await work('w1.lxd')
  } finally {
    await operate('DELETE', '/1.0/instances/w1')
  }
}

const write = (volume: string, name: string, content: string) =>
  through(volume, (container) => writeFileIn(windlass.engine.socket, container, '/data', { name, content }))
const note = (volume: string, name = 'note') =>
  through(volume, (container) => readFileIn(windlass.engine.socket, container, `/data/${name}`))
const upload = (tarball: Buffer, name = '') =>
  windlass.call('POST', ALL, tarball, { 'content-type': OCTETS, 'x-lxd-name': name })
const imported = async (tarball: Buffer, name?: string) => windlass.ended(await upload(tarball, name))
const volumes = async () => (await engineObjects(windlass.engine.socket)).volumes

test('a snapshot of a volume is taken, listed, changed, renamed, restored and deleted', async () => {
  const before = await volumes()
  await send('POST', ALL, { name: 'v1', config: { 'snapshots.expiry': '1d', 'user.a': 'b' } })
  await write('v1', 'note', 'old')
  await operate('POST', `${at('v1')}/snapshots`, {
    name: 's0',
    description: 'first',
    expires_at: '2040-01-01T00:00:00Z',
  })
  await operate('POST', `${at('v1')}/snapshots`, {})
  await write('v1', 'note', 'new')
  await write('v1', 'more', 'x')

  expect(await read(`${at('v1')}/snapshots`)).toEqual([`${at('v1')}/snapshots/s0`, `${at('v1')}/snapshots/snap0`])
  const [first, second] = (await read(`${at('v1')}/snapshots?recursion=1`)) as Record<string, string>[]
  expect(first).toMatchObject({
    name: 'v1/s0',
    description: 'first',
    config: { 'user.a': 'b' },
    content_type: 'filesystem',
    expires_at: '2040-01-01T00:00:00Z',
  })
  const aDay = Date.parse(second?.['expires_at'] ?? '') - Date.parse(second?.['created_at'] ?? '')
  expect(Math.round(aDay / 3_600_000)).toBe(24)
  expect(await read(`${ALL}?recursion=1`)).toMatchObject([{ name: 'v1' }, { name: 'v1/s0' }, { name: 'v1/snap0' }])
  expect(await read(ALL)).toContain(`${at('v1')}/snapshots/s0`)

  await send('PATCH', `${at('v1')}/snapshots/s0`, { description: 'changed' })
  expect(await read(`${at('v1')}/snapshots/s0`)).toMatchObject({
    name: 's0',
    description: 'changed',
    expires_at: '2040-01-01T00:00:00Z',
  })
  await send('PUT', `${at('v1')}/snapshots/s0`, { description: 'again', expires_at: null })
  await operate('POST', `${at('v1')}/snapshots/s0`, { name: 's1' })
  expect(await read(`${at('v1')}/snapshots/s1`)).toMatchObject({
    description: 'again',
    expires_at: '0001-01-01T00:00:00Z',
  })

  await send('PUT', at('v1'), { restore: 's1' })
  expect([await note('v1'), await note('v1', 'more')]).toEqual(['old', undefined])
  expect(await read(at('v1'))).toMatchObject({ config: { 'user.a': 'b' } })
  await operate('DELETE', `${at('v1')}/snapshots/snap0`)
  expect(await volumes()).toEqual({ ...before, volume: (before['volume'] ?? 0) + 1, snapshot: 1 })
  await send('DELETE', at('v1'))
  expect(await volumes()).toEqual(before)
})

test('a volume is copied with its snapshots, without them, and from one of them', async () => {
  await send('POST', ALL, { name: 'v2' })
  await write('v2', 'note', 'old')
  await operate('POST', `${at('v2')}/snapshots`, { name: 's0', description: 'kept' })
  await write('v2', 'note', 'new')
  const copy = (name: string, from: object) => operate('POST', ALL, { name, source: { type: 'copy', ...from } })
  await copy('all', { name: 'v2' })
  await copy('only', { name: 'v2', volume_only: true })
  await copy('then', { name: 'v2/s0' })
  expect([await note('all'), await note('only'), await note('then')]).toEqual(['new', 'new', 'old'])
  expect(await read(`${at('all')}/snapshots?recursion=1`)).toMatchObject([{ name: 'all/s0', description: 'kept' }])
  expect(await read(`${at('only')}/snapshots`)).toEqual([])
  expect(await read(`${at('then')}/snapshots`)).toEqual([])
  await send('DELETE', at('v2'))
  await send('PUT', at('all'), { restore: 's0', config: { 'user.back': 'yes' } })
  expect(await note('all')).toBe('old')
  expect(await read(at('all'))).toMatchObject({ config: { 'user.back': 'yes' } })
  for (const name of ['all', 'only', 'then']) await send('DELETE', at(name))
})

test('a copy that is refreshed gets the files and snapshots of its source, and stays itself', async () => {
  const clean = await volumes()
  const copying = (refresh: boolean, rest: object = {}, from = 'r1') => ({
    name: 'r2',
    source: { type: 'copy', name: from, pool: 'default', refresh, ...rest },
  })
  const snapshots = () => read(`${at('r2')}/snapshots`)
  const urls = (...names: string[]) => names.map((name) => `${at('r2')}/snapshots/${name}`)
  await send('POST', ALL, { name: 'r1' })
  await write('r1', 'note', 'old')
  await operate('POST', `${at('r1')}/snapshots`, { name: 's0' })
  // Of what is not there a copy is made.
  await operate('POST', ALL, copying(true))
  await send('PATCH', at('r2'), { description: 'mine' })
  await operate('POST', `${at('r2')}/snapshots`, { name: 'own' })
  await write('r2', 'extra', 'x')
  await write('r1', 'note', 'new')
  await operate('POST', `${at('r1')}/snapshots`, { name: 's1' })
  await operate('POST', '/1.0/instances', { name: 'c1', source, devices: mounting('r2') })

  await operate('POST', ALL, copying(true, { volume_only: true }))
  expect(await snapshots()).toEqual(urls('own', 's0'))
  await operate('POST', ALL, copying(true))
  expect(await snapshots()).toEqual(urls('s0', 's1'))
  expect([await note('r2'), await note('r2', 'extra')]).toEqual(['new', undefined])
  expect(await read(at('r2'))).toMatchObject({ description: 'mine', used_by: ['/1.0/instances/c1'] })
  await operate('PUT', '/1.0/instances/c1/state', { action: 'start' })
  expect(await readFileIn(windlass.engine.socket, 'c1.lxd', '/data/note')).toBe('new')
  const running = await windlass.operate('POST', ALL, copying(true))
  expect(running).toMatchObject({ err: 'Cannot refresh custom volume used by running instances' })
  await operate('PUT', '/1.0/instances/c1/state', { action: 'stop', force: true })
  await operate('DELETE', '/1.0/instances/c1')
  await operate('POST', ALL, copying(true, {}, 'r1/s0'))
  expect(await note('r2')).toBe('old')
  expect(await refused('POST', ALL, copying(true, {}, 'r2'))).toEqual([
    400,
    'A storage volume cannot be refreshed from itself',
  ])
  expect(await refused('POST', ALL, copying(false))).toEqual([409, 'Volume by that name already exists'])
  for (const name of ['r1', 'r2']) await send('DELETE', at(name))
  await operate('POST', '/1.0/reconcile', {})
  expect(await volumes()).toEqual(clean)
})

test('what mounts a volume stands still while it is read, and must be stopped where it is restored', async () => {
  const clean = await volumes()
  await send('POST', ALL, { name: 'v3' })
  await operate('POST', '/1.0/instances', { name: 'c1', source, start: true, devices: mounting('v3') })
  const taken = await windlass.operate('POST', `${at('v3')}/snapshots`, { name: 's0' })
  expect(taken.windlass.steps).toEqual(['look', 'freeze', 'copy', 'thaw'])
  expect(await read('/1.0/instances/c1')).toMatchObject({ status: 'Running' })
  const inC1 = () => readFileIn(windlass.engine.socket, 'c1.lxd', '/data/note')
  await writeFileIn(windlass.engine.socket, 'c1.lxd', '/data', { name: 'note', content: 'new' })
  expect(await refused('PUT', at('v3'), { restore: 's0' })).toEqual([
    400,
    'Cannot restore custom volume used by running instances',
  ])
  const before = await volumes()
  await operate('PUT', '/1.0/instances/c1/state', { action: 'stop', force: true })
  await send('PUT', at('v3'), { restore: 's0' })
  await operate('PUT', '/1.0/instances/c1/state', { action: 'start' })
  expect(await inC1()).toBeUndefined()
  // What the restore has put aside goes as soon as no container has it.
  await operate('POST', '/1.0/reconcile', {})
  expect(await volumes()).toEqual(before)
  await operate('PUT', '/1.0/instances/c1/state', { action: 'stop', force: true })
  await operate('DELETE', '/1.0/instances/c1')
  await send('DELETE', at('v3'))
  expect(await volumes()).toEqual(clean)
})

test('what cannot be done with a snapshot is refused in the words of LXD, and one project sees none of another', async () => {
  await send('POST', ALL, { name: 'v4', config: { 'snapshots.pattern': 'at-%d' } })
  await operate('POST', `${at('v4')}/snapshots`, {})
  expect(await read(`${at('v4')}/snapshots/at-0`)).toMatchObject({ name: 'at-0' })
  const missing = [404, 'Storage volume snapshot not found']
  expect(await refused('POST', `${at('v4')}/snapshots`, { name: 'at-0' })).toEqual([
    409,
    'Snapshot "at-0" already in use',
  ])
  expect((await refused('POST', `${at('v4')}/snapshots`, { name: 'a/b' }))[0]).toBe(400)
  expect((await refused('POST', `${at('v4')}/snapshots`, { expires_at: 'soon' }))[0]).toBe(400)
  expect(await refused('GET', `${at('v4')}/snapshots/no`)).toEqual(missing)
  expect(await refused('DELETE', `${at('v4')}/snapshots/no`)).toEqual(missing)
  expect(await refused('PUT', at('v4'), { restore: 'no' })).toEqual(missing)
  expect(await refused('POST', ALL, { name: 'x', source: { type: 'copy', name: 'v4/no' } })).toEqual(missing)
  expect(await refused('POST', `${at('v4')}/snapshots/at-0`, { name: '' })).toEqual([400, 'No name provided'])
  expect(await refused('GET', `${at('no')}/snapshots`)).toEqual([404, 'Storage pool volume not found'])
  const stale = await windlass.call('PUT', `${at('v4')}/snapshots/at-0`, { description: 'x' }, { 'if-match': '"old"' })
  expect(stale.status).toBe(412)

  await windlass.call('POST', '/1.0/projects', { name: 'p1', config: { restricted: 'true' } })
  expect((await refused('GET', `${at('v4')}/snapshots/at-0?project=p1`))[0]).toBe(404)
  await send('POST', `${ALL}?project=p1`, { name: 'v4' })
  expect(await read(`${at('v4')}/snapshots?project=p1`)).toEqual([])
  expect(await refused('POST', `${at('v4')}/snapshots?project=p1`, {})).toEqual([
    403,
    `Project "p1" doesn't allow for snapshot creation`,
  ])
  await send('DELETE', `${at('v4')}?project=p1`)
  await windlass.call('DELETE', '/1.0/projects/p1')
  await send('DELETE', at('v4'))
})

describe('a backup of a volume', () => {
  let tarball: Buffer

  test('holds the volume and its snapshots, is listed and renamed, and goes with the volume', async () => {
    const before = await volumes()
    await send('POST', ALL, { name: 'b1', description: 'mine', config: { 'user.a': 'b' } })
    await write('b1', 'note', 'old')
    await operate('POST', `${at('b1')}/snapshots`, { name: 's0', expires_at: '2040-01-01T00:00:00Z' })
    await operate('POST', '/1.0/instances', { name: 'c2', source, start: true, devices: mounting('b1') })
    await writeFileIn(windlass.engine.socket, 'c2.lxd', '/data', { name: 'note', content: 'new' })
    const made = await windlass.operate('POST', `${at('b1')}/backups`, { expires_at: '2040-01-01T00:00:00Z' })
    expect(made).toMatchObject({ status: 'Success', err: '', resources: { backups: ['/1.0/backups/backup0'] } })
    expect(made.windlass.steps).toEqual(['look', 'freeze', 'copy', 'thaw', 'pack', 'cleanup'])
    await operate('POST', `${at('b1')}/backups/backup0`, { name: 'b0' })
    expect(await read(`${at('b1')}/backups`)).toEqual([`${at('b1')}/backups/b0`])
    expect(await read(`${at('b1')}/backups/b0`)).toMatchObject({
      name: 'b0',
      expires_at: '2040-01-01T00:00:00Z',
      volume_only: false,
      optimized_storage: false,
    })
    expect(await refused('POST', `${at('b1')}/backups`, { name: 'b0' })).toEqual([409, 'Backup "b0" already exists'])
    expect(await refused('GET', `${at('b1')}/backups/no`)).toEqual([404, 'Storage volume backup not found'])
    expect((await refused('POST', `${at('b1')}/backups`, { compression_algorithm: 'rm -rf /' }))[0]).toBe(400)
    tarball = await downloadApi(windlass.socket, `${at('b1')}/backups/b0/export`)
    await operate('PUT', '/1.0/instances/c2/state', { action: 'stop', force: true })
    await operate('DELETE', '/1.0/instances/c2')
    await send('DELETE', at('b1'))
    expect(await volumes()).toEqual(before)
  })

  test('becomes the volume again, also under another name', async () => {
    expect(await imported(tarball)).toMatchObject({ status: 'Success', err: '' })
    expect(await note('b1')).toBe('new')
    expect(await read(at('b1'))).toMatchObject({ description: 'mine', config: { 'user.a': 'b' } })
    expect(await read(`${at('b1')}/snapshots?recursion=1`)).toMatchObject([
      { name: 'b1/s0', expires_at: '2040-01-01T00:00:00Z' },
    ])
    await send('PUT', at('b1'), { restore: 's0' })
    expect(await note('b1')).toBe('old')
    const again = await upload(tarball)
    expect([again.status, fieldOf(again.body, 'error')]).toEqual([409, 'Volume by that name already exists'])
    expect(await imported(tarball, 'b2')).toMatchObject({ status: 'Success' })
    for (const name of ['b1', 'b2']) await send('DELETE', at(name))
  })

  test('of LXD is taken, without the keys of its storage', async () => {
    const yaml = `
name: theirs
backend: zfs
pool: tank
snapshots: [s0]
optimized: false
type: custom
config:
  volume:
    config: {zfs.use_refquota: "true", user.a: b, volatile.idmap.last: "[]"}
    description: theirs
    name: theirs
    type: custom
    content_type: filesystem
    created_at: 2020-01-02T03:04:05.123456789Z
  volume_snapshots:
    - {name: theirs/s0, config: {}, description: "", content_type: filesystem, expires_at: 0001-01-01T00:00:00Z}
`
    const theirs = makeTar([{ name: 'backup/index.yaml', content: yaml }, ...FILES])
    expect(await imported(theirs)).toMatchObject({ status: 'Success', err: '' })
    expect(await read(at('theirs'))).toMatchObject({
      description: 'theirs',
      config: { 'user.a': 'b' },
      created_at: '2020-01-02T03:04:05.123Z',
    })
    expect(JSON.stringify(await read(at('theirs')))).not.toContain('zfs')
    expect([await note('theirs'), await note('theirs', 'none')]).toEqual(['now', undefined])
    await send('DELETE', at('theirs'))
  })

  const index = (more: object = {}, volume: object = {}) => ({
    name: 'evil',
    type: 'custom',
    snapshots: ['s0'],
    config: { volume: { name: 'evil', config: {}, ...volume }, volume_snapshots: [{ name: 's0', config: {} }] },
    ...more,
  })
  const tarOf = (told: unknown, files: Made[] = FILES) =>
    makeTar([{ name: 'backup/index.yaml', content: JSON.stringify(told) }, ...files])

  test.each<[string, () => Buffer, RegExp]>([
    ['is nothing of the kind', () => Buffer.from('hello world\n'), /Unsupported compression/],
    ['is empty', () => Buffer.alloc(0), /Unsupported compression/],
    ['is another tarball', () => makeTar([{ name: 'x', content: 'y' }]), /missing index\.yaml/],
    ['is of an instance', () => tarOf(index({ type: 'container' })), /"container" is no backup of a storage volume/],
    ['is in an optimized form', () => tarOf(index({ optimized: true })), /optimized/],
    ['is of a block device', () => tarOf(index({}, { content_type: 'block' })), /content type "block"/],
    ['says nothing of itself', () => tarOf(index({ config: {} })), /index\.yaml is invalid/],
    ['has a bad name', () => tarOf(index({}, { name: '../x' })), /Invalid volume name/],
    ['has a bad value', () => tarOf(index({}, { config: { size: 'much' } })), /Invalid value for volume/],
    ['lists other snapshots', () => tarOf(index({ snapshots: ['s1'] })), /lists other snapshots/],
    ['nests too deep', () => makeTar([{ name: 'backup/index.yaml', content: '['.repeat(5000) }]), /nested too deep/],
  ])('is refused at once when it %s', async (_what, make, words) => {
    const before = await volumes()
    const answer = await upload(make())
    expect(fieldOf(answer.body, 'error')).toMatch(words)
    expect(answer.status).toBe(400)
    expect(await volumes()).toEqual(before)
  })

  test.each<[string, () => Buffer, RegExp]>([
    ['is cut off', () => tarOf(index()).subarray(0, -2048), /damaged/],
    ['lacks its files', () => tarOf(index(), []), /has no backup\/volume/],
    ['lacks a snapshot', () => tarOf(index(), FILES.slice(2)), /has no backup\/volume-snapshots\/s0/],
    ['has a way out', () => tarOf(index(), [...FILES, { name: 'backup/volume/../../x' }]), /invalid path/],
    [
      'has a hard link out of it',
      () =>
        tarOf(index(), [
          ...FILES,
          { name: 'backup/volume/l', type: 'link', linkname: 'backup/volume-snapshots/s0/note' },
        ]),
      /hard link/,
    ],
  ])('fails and leaves nothing when it %s', async (_what, make, words) => {
    const before = await volumes()
    expect((await imported(make())).err).toMatch(words)
    expect(await volumes()).toEqual(before)
    expect((await refused('GET', at('evil')))[0]).toBe(404)
  })

  test('that is cut off on its way leaves nothing', async () => {
    const before = await volumes()
    const { promise, resolve } = Promise.withResolvers<void>()
    const headers = { 'content-type': OCTETS, 'content-length': '1000000' }
    const sent = request({ socketPath: windlass.socket, path: ALL, method: 'POST', headers, agent: false })
    sent.on('error', () => resolve())
    sent.write(Buffer.alloc(1000), () => sent.destroy(new Error('cut off')))
    await promise
    const isGone = async () => JSON.stringify(await volumes()) === JSON.stringify(before) || undefined
    await until(30_000, isGone, () => new Error('The upload is still there'))
  })
})
