import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ObjectRole, OwnLabels } from '../../src/core/container.ts'
import type { Engine } from '../../src/core/engine.ts'
import { createDockerEngine } from '../../src/engine/docker/connect.ts'
import { readTar } from '../../src/engine/docker/tar-reader.ts'
import { sharedEngine } from '../support/shared-engine.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { inPieces, makeEntry, makeTar } from '../unit/engine/tarball-archives.ts'

const deployment = `tarballs-${randomUUID().slice(0, 8)}`
const LIMIT = 1024 * 1024 * 1024
let engine: Engine

beforeAll(async () => {
  const { dockerHost } = await sharedEngine()
  engine = createDockerEngine({ member: 'test', deployment, dockerHost })
})

afterAll(async () => {
  for (const { name } of await engine.volumes.find({})) await engine.volumes.remove(name)
  for (const { tags } of await engine.images.find({})) for (const tag of tags) await engine.images.untag(tag)
  await engine.close()
})

const labels = (role: ObjectRole, more: Partial<OwnLabels> = {}): OwnLabels => ({
  deployment,
  role,
  uuid: randomUUID(),
  project: 'default',
  operation: randomUUID(),
  step: 'test',
  origin: '',
  ...more,
})

async function keep(content: Buffer, pieces = 65_536) {
  const volume = `windlass-test-${randomUUID()}`
  const kept = await engine.volumes.putFile(volume, 'content', inPieces(content, pieces), {
    labels: labels('tarball'),
    maxBytes: LIMIT,
  })
  return { volume, ...kept }
}

async function importIt(content: Buffer, own = labels('image')) {
  const { volume } = await keep(content)
  const tag = `windlass/image:${own.uuid}`
  const shown: number[] = []
  const image = await engine.images.importTarball(
    { volume, file: 'content', labels: own },
    { labels: own, tag, onProgress: (_text, percent) => shown.push(percent) },
  )
  return { image, tag, shown, own }
}

/** What a command in a fresh container of the image says. */
async function runIn(image: string, command: string[]): Promise<string> {
  const id = await engine.containers.create({
    name: `wt-${randomUUID()}`,
    image,
    hostname: 'c1',
    nameservers: [],
    searchDomain: '',
    labels: labels('instance'),
    boot: 'application',
    command: ['sleep', '1000'],
    entrypoint: undefined,
    user: undefined,
    workdir: undefined,
    stopSignal: 'SIGKILL',
    environment: {},
    nics: [],
    mounts: [],
    ports: [],
    hostDevices: [],
    gpus: [],
    limits: { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: 0, processes: 0 },
    privileged: false,
    nesting: false,
  })
  try {
    await engine.containers.start(id)
    const run = await engine.execs.run({
      container: id,
      command,
      environment: {},
      user: '',
      cwd: '',
      tty: false,
      width: 0,
      height: 0,
      marker: randomUUID(),
    })
    run.stdin.end()
    const [out] = await Promise.all([buffer(run.stdout), buffer(run.stderr), run.exit])
    return out.toString()
  } finally {
    await engine.containers.remove(id, { force: true })
  }
}

/** The tiny image below `rootfs/`, with an init and a metadata.yaml in front. */
async function lxdTarball(): Promise<Buffer> {
  const parts: Buffer[] = [
    makeEntry({ name: 'metadata.yaml', content: 'architecture: x86_64\ncreation_date: 1\nproperties: {os: Tiny}\n' }),
    makeEntry({ name: 'rootfs', type: 'directory', mode: 0o755 }),
    makeEntry({ name: 'rootfs/sbin', type: 'directory', mode: 0o755 }),
    makeEntry({ name: 'rootfs/sbin/init', type: 'symlink', linkname: '/bin/busybox' }),
    makeEntry({ name: 'rootfs/dev/sda', type: 'block' }),
  ]
  for await (const { body, ...entry } of readTar(inPieces(await tinyImageTar(), 65_536))) {
    const content = await buffer(Readable.from(body()))
    parts.push(makeEntry({ ...entry, name: `rootfs/${entry.name}`, content }))
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

test('a stream of several parts is kept and read again', async () => {
  const content = Buffer.alloc(40 * 1024 * 1024 + 12_345)
  for (let at = 0; at < content.length; at += 4096) content.writeUInt32BE(at, at)
  const kept = await keep(content, 1_000_003)
  expect(kept.size).toBe(content.length)
  expect(kept.sha256).toBe(createHash('sha256').update(content).digest('hex'))
  const file = await engine.volumes.getFile(kept.volume, 'content', labels('helper'))
  expect(file?.size).toBe(content.length)
  const again = file && (await buffer(file.content))
  expect(again?.equals(content)).toBe(true)
  expect(await engine.volumes.getFile(kept.volume, 'other', labels('helper'))).toBeUndefined()
  expect(await engine.volumes.getFile('windlass-test-none', 'content', labels('helper'))).toBeUndefined()
  await expect.poll(() => engine.containers.find({ role: 'helper' }), { timeout: 30_000 }).toEqual([])
})

test.each([0, 1, 4096, 4097, 10_000])('a stream of %i bytes is kept', async (size) => {
  const content = Buffer.alloc(size, 'ab')
  const kept = await keep(content)
  expect(kept).toMatchObject({ size, sha256: createHash('sha256').update(content).digest('hex') })
  const file = await engine.volumes.getFile(kept.volume, 'content', labels('helper'))
  expect(file?.size).toBe(size)
  expect(file && (await buffer(file.content))).toEqual(content)
  expect(await engine.volumes.getFile(kept.volume, 'other', labels('helper'))).toBeUndefined()
})

test('a stream over its bound, and one that breaks, leave nothing', async () => {
  const volume = `windlass-test-${randomUUID()}`
  const options = { labels: labels('tarball'), maxBytes: 1000 }
  const large = inPieces(Buffer.alloc(100_000))
  await expect(engine.volumes.putFile(volume, 'content', large, options)).rejects.toThrow('More than 1000 bytes')
  expect(large.destroyed).toBe(false)
  expect(await engine.volumes.inspect(volume)).toBeUndefined()
  const breaking = new Readable({ read: () => undefined })
  breaking.push(Buffer.alloc(10))
  setImmediate(() => breaking.destroy(new Error('the client left')))
  await expect(engine.volumes.putFile(volume, 'content', breaking, options)).rejects.toThrow('broken off')
  expect(await engine.volumes.inspect(volume)).toBeUndefined()
})

test.each([
  ['plain', (tar: Buffer) => tar],
  ['gzip', (tar: Buffer) => gzipSync(tar)],
  ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
] as const)('a %s root file system becomes an image', async (_name, pack) => {
  const { image, tag, shown } = await importIt(pack(await tinyImageTar()))
  expect(image).toMatchObject({ format: 'rootfs', boot: 'application', architecture: 'amd64', properties: {} })
  expect(shown.at(-1)).toBe(100)
  const detail = await engine.images.inspect(tag)
  expect(detail).toMatchObject({ id: image.id, command: ['/bin/sh'] })
  expect(await runIn(tag, ['sh', '-c', 'echo hello'])).toBe('hello\n')
})

test('an LXD image boots its init and brings its properties', async () => {
  const { image, tag } = await importIt(gzipSync(await lxdTarball()))
  expect(image).toMatchObject({ format: 'lxd', boot: 'busybox', architecture: 'amd64', properties: { os: 'Tiny' } })
  expect(await engine.images.inspect(tag)).toMatchObject({ command: ['/sbin/init'] })
  expect(
    await runIn(tag, ['sh', '-c', 'ls -d /rootfs /metadata.yaml /dev/sda 2>/dev/null; ls -l /sbin/init | wc -l']),
  ).toBe('1\n')
})

test('a docker save keeps its configuration, takes our labels and no name from others', async () => {
  const { imageId } = await sharedEngine()
  const archive = await buffer(await engine.images.save('windlass-test/busybox:latest'))
  const { image, tag, own } = await importIt(gzipSync(archive))
  expect(image).toMatchObject({ format: 'docker', boot: 'application', architecture: 'amd64' })
  const detail = await engine.images.inspect(tag)
  expect(detail?.own).toMatchObject({ uuid: own.uuid, role: 'image' })
  expect(detail?.tags).toEqual([tag])
  expect(detail?.command).toEqual(['sh'])
  expect((await engine.images.inspect('windlass-test/busybox:latest'))?.id).toBe(imageId)
  const again = await importIt(gzipSync(archive), own)
  expect(again.image.id).toBe(image.id)
})

test('an import that is repeated finds its image', async () => {
  const own = labels('image')
  const first = await importIt(await tinyImageTar(), own)
  const second = await importIt(await tinyImageTar(), own)
  expect(second.image).toEqual(first.image)
  expect(await engine.images.find({ uuid: own.uuid, role: 'image' })).toHaveLength(1)
})

test.each([
  ['garbage', () => Buffer.alloc(100_000, 'garbage'), 'Unsupported compression'],
  ['compressed garbage', () => gzipSync(Buffer.alloc(100_000, 'garbage')), 'Unsupported compression'],
  ['a truncated tar', () => makeTar([{ name: 'a', content: 'x'.repeat(9000) }]).subarray(0, 5000), 'it ends too early'],
  ['a name that climbs out', () => makeTar([{ name: 'bin/sh' }, { name: '../../etc/cron.d/x' }]), 'invalid path'],
])('%s leaves no image', async (_name, content, said) => {
  const own = labels('image')
  await expect(importIt(content(), own)).rejects.toThrow(said)
  expect(await engine.images.find({ uuid: own.uuid })).toEqual([])
  expect(await engine.images.inspect(`windlass/image:${own.uuid}`)).toBeUndefined()
})

test.each(['gzip', 'zstd', 'none'] as const)('an image packed with %s can be imported again', async (compression) => {
  const { tag } = await importIt(await tinyImageTar())
  const volume = `windlass-test-${randomUUID()}`
  const metadata = {
    architecture: 'x86_64',
    created: Date.now(),
    expires: 0,
    properties: { os: 'Tiny' },
    boot: 'application',
    templates: { templates: {}, files: {} },
  } as const
  const own = labels('tarball')
  const kept = await engine.images.packTarball(tag, { volume, file: 'content', labels: own, compression, metadata })
  const file = await engine.volumes.getFile(volume, 'content', labels('helper'))
  const tarball = file ? await buffer(file.content) : Buffer.alloc(0)
  expect(createHash('sha256').update(tarball).digest('hex')).toBe(kept.sha256)
  expect(tarball.length).toBe(kept.size)
  const again = await importIt(tarball)
  expect(again.image).toMatchObject({ format: 'lxd', boot: 'application', properties: { os: 'Tiny' } })
  expect(await engine.images.inspect(again.tag)).toMatchObject({ command: ['/bin/sh'] })
  expect(await runIn(again.tag, ['sh', '-c', 'test ! -e /.windlass && echo $PATH'])).toContain('/usr/local/sbin:')
  await expect.poll(() => engine.containers.find({ role: 'helper' }), { timeout: 30_000 }).toEqual([])
})
