// Backups over real processes: what is in them comes back, and what should not be in them never does.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { downloadApi } from '../support/download.ts'
import { engineObjects, readFileIn, writeFileIn, type EngineObjects } from '../support/engine-objects.ts'
import { staticBusybox, tinyImageTar } from '../support/tiny-image.ts'
import { volumeImageTar } from '../support/volume-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { readTar } from '../ports/tar-samples.ts'
import { makeTar, type Made } from '../unit/engine/tarball-archives.ts'

const TOKEN = 'backups-admin-token-0123456789'
const OCTETS = 'application/octet-stream'
let windlass: TestWindlass
let operator: string

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  await publishStarterImage(windlass.socket, await staticBusybox())
  const image = await volumeImageTar(windlass.engine.socket)
  await windlass.operate('POST', '/1.0/images', image, { 'x-lxd-aliases': 'name=volume' })
  const token = await windlass.call('POST', '/1.0/auth/tokens', { name: 'o', role: 'operator', projects: null })
  operator = String(fieldOf(fieldOf(token.body, 'metadata'), 'token'))
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

/** An index that is changed at will. */
// oxlint-disable-next-line typescript/no-explicit-any -- what is wrong with it is the point
type Index = Record<string, any>

const at = (name: string) => `/1.0/instances/${name}`
const download = (name: string, backup: string) => downloadApi(windlass.socket, `${at(name)}/backups/${backup}/export`)
const upload = (tarball: Buffer, name: string) =>
  windlass.call('POST', '/1.0/instances', tarball, { 'x-lxd-name': name })
const write = (name: string, content: string) =>
  writeFileIn(windlass.engine.socket, `${name}.lxd`, '/data', { name: 'note', content })
const note = (name: string) => readFileIn(windlass.engine.socket, `${name}.lxd`, '/data/note')
const objects = (): Promise<EngineObjects> => engineObjects(windlass.engine.socket)

test('volumes, snapshots and how the image runs come back, and the backup goes with its instance', async () => {
  await windlass.operate('POST', '/1.0/instances', {
    name: 'v1',
    source: { type: 'image', alias: 'volume' },
    config: { 'user.colour': 'blue' },
    start: true,
  })
  await write('v1', 'old')
  await windlass.operate('POST', `${at('v1')}/snapshots`, { name: 's0' })
  await write('v1', 'new')
  const before = await objects()
  await windlass.operate('POST', `${at('v1')}/backups`, { name: 'b0', expires_at: '2040-01-01T00:00:00Z' })
  expect(await objects()).toEqual({ ...before, volumes: { ...before.volumes, backup: 1 } })
  await windlass.operate('POST', `${at('v1')}/backups/b0`, { name: 'b1' })
  expect((await windlass.call('GET', `${at('v1')}/backups?recursion=1`)).body).toMatchObject({
    metadata: [{ name: 'b1', expires_at: '2040-01-01T00:00:00Z', instance_only: false, optimized_storage: false }],
  })
  const again = await windlass.call('POST', `${at('v1')}/backups`, { name: 'b1' })
  expect([again.status, fieldOf(again.body, 'error')]).toEqual([409, 'Backup "b1" already exists'])
  const tarball = await download('v1', 'b1')
  await windlass.operate('PUT', `${at('v1')}/state`, { action: 'stop', force: true })
  await windlass.operate('DELETE', at('v1'))
  expect((await objects()).volumes).not.toHaveProperty('backup')

  await windlass.ended(await upload(tarball, 'v2'))
  expect(await note('v2')).toBe('new')
  await windlass.operate('PUT', at('v2'), { restore: 's0' })
  expect(await note('v2')).toBe('old')
  await windlass.operate('PUT', `${at('v2')}/state`, { action: 'start' })
  const { body } = await windlass.call('GET', `${at('v2')}?recursion=1`)
  expect(body).toMatchObject({
    metadata: { status: 'Running', config: { 'user.colour': 'blue' }, snapshots: [{ name: 's0' }], backups: null },
  })
  await windlass.operate('PUT', `${at('v2')}/state`, { action: 'stop', force: true })
  await windlass.operate('DELETE', at('v2'))
  const { 'windlass-none': _, ...left } = (await objects()).volumes
  expect(left).toEqual({ tarball: 2 })
})

describe('a backup that somebody has made', () => {
  let entries: Made[]
  let index: Index
  let before: EngineObjects

  beforeAll(async () => {
    const source = { type: 'image', alias: 'busybox' }
    await windlass.operate('POST', '/1.0/instances', { name: 'm1', source })
    await windlass.operate('POST', `${at('m1')}/snapshots`, { name: 's0' })
    await windlass.operate('POST', `${at('m1')}/backups`, { name: 'b0', compression_algorithm: 'none' })
    const files = await readTar(await download('m1', 'b0'))
    index = JSON.parse(files.get('backup/index.yaml')?.body ?? '')
    const tree = (folder: string): Made[] => [
      { name: `${folder}/rootfs/`, type: 'directory' },
      { name: `${folder}/rootfs/bin/`, type: 'directory' },
      { name: `${folder}/rootfs/bin/sh`, content: 'x' },
    ]
    entries = [...tree('backup/snapshots/s0'), ...tree('backup/container')]
  })

  beforeEach(async () => {
    before = await objects()
  })

  const changed = (change: (index: Index) => void): Record<string, unknown> => {
    const copy = structuredClone(index)
    change(copy)
    return copy
  }
  const tarOf = (told: unknown, more: Made[] = [], rest = entries) =>
    makeTar([{ name: 'backup/index.yaml', content: JSON.stringify(told) }, ...rest, ...more])

  const byOperator = async (tarball: Buffer) => {
    const headers = { authorization: `Bearer ${operator}`, 'content-type': OCTETS, 'x-lxd-name': 'evil' }
    const body = new Uint8Array(tarball)
    const answer = await fetch(`${windlass.api.url}/1.0/instances`, { method: 'POST', headers, body })
    const told: unknown = await answer.json()
    return { status: answer.status, error: String(fieldOf(told, 'error')) }
  }

  test.each<[string, (index: Index) => void, RegExp]>([
    ['is privileged', (all) => (all.config.container.config['security.privileged'] = 'true'), /security\.privileged/],
    [
      'has a snapshot that is privileged',
      (all) => (all.config.snapshots[0].config['security.privileged'] = 'true'),
      /security\.privileged/,
    ],
    [
      'has a snapshot with a path of the host',
      (all) => (all.config.snapshots[0].devices['x'] = { type: 'disk', path: '/x', source: '/etc' }),
      /host path/,
    ],
    [
      'has a path of the host',
      (all) => (all.config.container.devices['x'] = { type: 'disk', path: '/x', source: '/etc' }),
      /host path/,
    ],
  ])('is forbidden to an operator when it %s', async (_what, change, words) => {
    const { status, error } = await byOperator(tarOf(changed(change)))
    expect(error).toMatch(words)
    expect(status).toBe(403)
    expect(await objects()).toEqual(before)
  })

  test.each<[string, (index: Index) => void, RegExp]>([
    [
      'has an unknown key',
      (all) => (all.config.container.config['no.such'] = '1'),
      /Unknown configuration key: no\.such/,
    ],
    ['has an unknown key in a snapshot', (all) => (all.config.snapshots[0].config['raw.lxc'] = 'x'), /no meaning/],
    ['has another name', (all) => (all.snapshots = [(all.config.snapshots[0].name = 'a b')]), /Invalid snapshot name/],
    ['has a snapshot twice', (all) => all.config.snapshots.push(all.config.snapshots[0]), /lists other|twice/],
    ['is for a virtual machine', (all) => (all.type = 'virtual-machine'), /virtual-machine/],
    ['is in an optimized form', (all) => (all.optimized = true), /optimized/],
    ['says nothing of itself', (all) => delete all.config, /index\.yaml is invalid/],
    ['has a number for a value', (all) => (all.config.container.config['limits.cpu'] = 1), /index\.yaml is invalid/],
    ['has a profile that is not here', (all) => (all.config.container.profiles = ['gone']), /profile "gone"/],
    ['mounts over /proc', (all) => (all.config.container.windlass.volumes = ['/proc/sys']), /nothing can be mounted/],
    ['climbs out', (all) => (all.config.container.windlass.volumes = ['/a/../b']), /absolute and plain/],
  ])('is refused at once when it %s', async (_what, change, words) => {
    const answer = await upload(tarOf(changed(change)), 'evil')
    expect(fieldOf(answer.body, 'error')).toMatch(words)
    expect([400, 404]).toContain(answer.status)
    expect(await objects()).toEqual(before)
  })

  test.each<[string, () => Buffer, RegExp]>([
    ['is cut off', () => tarOf(index).subarray(0, -2048), /damaged/],
    ['lacks its files', () => tarOf(index, [], []), /has no backup\/container\/rootfs|has no backup\/snapshots/],
    ['has a way out', () => tarOf(index, [{ name: 'backup/container/rootfs/../../../x' }]), /invalid path/],
    [
      'has a hard link out of its root',
      () =>
        tarOf(index, [
          { name: 'backup/container/rootfs/l', type: 'link', linkname: 'backup/snapshots/s0/rootfs/bin/sh' },
        ]),
      /hard link/,
    ],
    ['has mixed parts', () => tarOf(index, [{ name: 'backup/snapshots/s0/rootfs/late' }]), /mixed/],
  ])('fails and leaves nothing when it %s', async (_what, make, words) => {
    const operation = await windlass.ended(await upload(make(), 'evil'))
    expect(operation.err).toMatch(words)
    expect(await objects()).toEqual(before)
  })

  test('is refused when it is nothing of the kind', async () => {
    const brackets = makeTar([{ name: 'backup/index.yaml', content: '['.repeat(5000) }])
    for (const [tarball, words] of [
      [await tinyImageTar(), /missing index\.yaml/],
      [Buffer.alloc(0), /Unsupported compression/],
      [Buffer.from('hello world\n'), /Unsupported compression/],
      [brackets, /nested too deep/],
    ] as const) {
      const answer = await upload(tarball, 'evil')
      expect(fieldOf(answer.body, 'error')).toMatch(words)
      expect(answer.status).toBe(400)
    }
    expect(await objects()).toEqual(before)
  })

  test("of LXD's own kind is taken: YAML, snapshots by their long names, the init told by its files", async () => {
    const yaml = `
name: theirs
backend: dir
pool: default
snapshots: [s0]
optimized: false
type: container
config:
  container:
    architecture: x86_64
    config: {image.os: Debian, volatile.uuid: 0a5f2b0e-8cbe-4b6a-9ad4-000000000000, limits.memory: 64MiB}
    devices: {}
    profiles: [default]
    ephemeral: false
    description: theirs
    created_at: 2020-01-02T03:04:05.123456789Z
    name: theirs
    type: container
  snapshots:
    - {name: theirs/s0, config: {}, devices: {}, profiles: [default], created_at: 2020-01-03T00:00:00Z, expires_at: 0001-01-01T00:00:00Z}
  pool: {name: default}
`
    const init: Made[] = [
      { name: 'backup/container/rootfs/sbin/', type: 'directory' },
      { name: 'backup/container/rootfs/sbin/init', type: 'symlink', linkname: '/lib/systemd/systemd' },
    ]
    const tarball = makeTar([{ name: 'backup/index.yaml', content: yaml }, ...entries, ...init])
    const operation = await windlass.ended(await windlass.call('POST', '/1.0/instances', tarball))
    expect(operation.err).toBe('')
    const { body } = await windlass.call('GET', `${at('theirs')}?recursion=1`)
    expect(body).toMatchObject({
      metadata: {
        created_at: '2020-01-02T03:04:05.123Z',
        description: 'theirs',
        config: { 'limits.memory': '64MiB' },
        snapshots: [{ name: 's0', created_at: '2020-01-03T00:00:00.000Z' }],
      },
    })
    expect(JSON.stringify(body)).not.toContain('0a5f2b0e')
    await windlass.operate('DELETE', at('theirs'))
  })
})
