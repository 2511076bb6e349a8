import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { NetworkSpec } from '../../src/core/engine.ts'
import { type EngineKit, failureOf, unique } from './engine-kit.ts'
import { makeTar, readTar } from './tar-samples.ts'

/** What networks and volumes must do. */
export function storageCases(kit: EngineKit): void {
  describe('networks', () => {
    test('are created, found, in use and removed', async () => {
      const wanted = network(kit)
      const id = await kit.engine.networks.create(wanted)
      const detail = { id, name: wanted.name, driver: 'bridge', bridge: wanted.bridge, subnet: wanted.subnet }
      expect(await kit.engine.networks.inspect(wanted.name)).toMatchObject({ ...detail, own: wanted.labels })
      expect(await kit.engine.networks.inspect(id)).toMatchObject(detail)
      expect(await kit.engine.networks.inspect(id.slice(0, 10))).toBeUndefined()
      expect((await kit.engine.networks.list()).map((one) => one.id)).toContain(id)
      const nic = {
        device: 'eth0',
        network: wanted.name,
        address: '10.233.0.20',
        mac: '00:16:3e:01:02:03',
        aliases: ['web'],
      }
      const container = await kit.started({ nics: [nic] })
      expect((await kit.engine.networks.inspect(id))?.containers).toEqual([container])
      expect(await kit.engine.networks.remove(id)).toBe('in-use')
      const summary = (await kit.engine.containers.list()).find((one) => one.id === container)
      expect(summary?.networks[wanted.name]).toMatchObject({
        address: nic.address,
        mac: nic.mac,
        gateway: wanted.gateway,
      })
      await kit.engine.containers.stop(container, { stopSignal: 'SIGTERM', timeoutSeconds: 0, thenKill: true })
      expect((await kit.engine.containers.inspect(container))?.networks[wanted.name]).toMatchObject({
        address: nic.address,
        mac: nic.mac,
      })
      await kit.engine.containers.remove(container, { force: true })
      expect(await kit.engine.networks.remove(id)).toBe('removed')
      expect(await kit.engine.networks.remove(id)).toBe('missing')
    })

    test('names, bridges and subnets are taken once', async () => {
      const wanted = network(kit)
      const id = await kit.engine.networks.create(wanted)
      for (const more of [
        { name: wanted.name },
        { bridge: wanted.bridge, subnet: '10.234.0.0/24' },
        { bridge: 'docker0' },
        {},
      ]) {
        expect(await failureOf(kit.engine.networks.create(network(kit, more)))).toMatchObject({ code: 'conflict' })
      }
      await kit.engine.networks.remove(id)
    })

    test('a container gets all its nics, each with its address', async () => {
      const first = network(kit)
      const second = network(kit, { subnet: '10.235.0.0/24', gateway: '10.235.0.1', foreignRange: '10.235.0.128/25' })
      await kit.engine.networks.create(first)
      await kit.engine.networks.create(second)
      const nics = [
        { device: 'eth0', network: first.name, address: '10.233.0.9', mac: '00:16:3e:00:00:09', aliases: [] },
        { device: 'eth1', network: second.name, address: '10.235.0.9', mac: '02:42:0a:eb:00:09', aliases: [] },
      ]
      const id = await kit.started({ nics })
      const { networks } = (await kit.engine.containers.inspect(id)) ?? {}
      for (const nic of nics) expect(networks?.[nic.network]).toMatchObject({ address: nic.address, mac: nic.mac })
      const twin = await kit.engine.containers.create(kit.spec({ nics: [{ ...nics[0]!, mac: '' }] }))
      expect(await failureOf(kit.engine.containers.start(twin))).toMatchObject({ code: 'conflict' })
      await kit.engine.containers.remove(twin, { force: true })
      await kit.engine.containers.remove(id, { force: true })
      await kit.engine.networks.remove((await kit.engine.networks.inspect(first.name))?.id ?? '')
      await kit.engine.networks.remove((await kit.engine.networks.inspect(second.name))?.id ?? '')
    })
  })

  describe('volumes', () => {
    const files = [
      { name: './', type: 'directory' as const, mode: 0o750, uid: 1000, gid: 1000 },
      { name: './a.txt', body: 'hello', mode: 0o4755, uid: 2_000_000, gid: 7 },
      { name: './empty', body: '' },
      { name: './link', type: 'symlink' as const, linkname: '../../outside' },
      { name: './hard', type: 'link' as const, linkname: './a.txt', mode: 0o4755, uid: 2_000_000, gid: 7 },
      { name: `./${'long-'.repeat(50)}`, body: 'x' },
      { name: './ünïcode – dir/', type: 'directory' as const },
    ]

    test('are created once, listed, in use and removed', async () => {
      const name = unique()
      const own = kit.labels('volume')
      await kit.engine.volumes.create(name, own)
      await kit.engine.volumes.create(name, own)
      expect(await failureOf(kit.engine.volumes.create(name, kit.labels('volume')))).toMatchObject({ code: 'conflict' })
      expect(await kit.engine.volumes.inspect(name)).toMatchObject({ name, own })
      expect(await kit.engine.volumes.inspect(`${name}x`)).toBeUndefined()
      expect((await kit.engine.volumes.find({ uuid: own.uuid })).map((one) => one.name)).toEqual([name])
      expect((await kit.engine.volumes.list()).map((one) => one.name)).toContain(name)
      const mounts = [{ type: 'volume' as const, volume: name, path: '/data', readonly: false, populate: false }]
      const id = await kit.engine.containers.create(kit.spec({ mounts }))
      expect((await kit.engine.containers.inspect(id))?.mounts).toMatchObject([
        { type: 'volume', volume: name, path: '/data' },
      ])
      expect(await kit.engine.volumes.remove(name)).toBe('in-use')
      await kit.engine.containers.remove(id, { force: true })
      expect(await kit.engine.volumes.remove(name)).toBe('removed')
      expect(await kit.engine.volumes.remove(name)).toBe('missing')
    })

    test('files survive writing, copying and reading, owners and links too', async () => {
      const [from, to] = [unique(), unique()]
      for (const name of [from, to]) await kit.engine.volumes.create(name, kit.labels('volume'))
      await kit.engine.volumes.write(from, Readable.from([await makeTar(...files)]), kit.labels('volume'))
      await kit.engine.volumes.copy(from, to, kit.labels('volume'))
      const read = await readTar(await buffer(await kit.engine.volumes.read(to, kit.labels('volume'))))
      expect(read.get('')).toMatchObject({ type: 'directory', mode: 0o750, uid: 1000 })
      // Whichever comes first is the file, the other one a link to it.
      const [file, link] = read.get('a.txt')?.type === 'file' ? ['a.txt', 'hard'] : ['hard', 'a.txt']
      expect(read.get(file)).toMatchObject({ mode: 0o4755, uid: 2_000_000, gid: 7, body: 'hello' })
      expect(read.get(link)?.type).toBe('link')
      expect(read.get(link)?.linkname?.replace(/^\.\//, '')).toBe(file)
      expect(read.get('link')).toMatchObject({ type: 'symlink', linkname: '../../outside' })
      expect(read.get('long-'.repeat(50))?.body).toBe('x')
      expect(read.get('ünïcode – dir')?.type).toBe('directory')
      expect(await kit.engine.containers.find({ project: kit.project, role: 'helper' })).toEqual([])
      for (const name of [from, to]) expect(await kit.engine.volumes.remove(name)).toBe('removed')
    })

    test('an empty one is filled with what the image has there, or left empty, as the mount says', async () => {
      const source = await kit.engine.containers.create(kit.spec())
      const inside = await makeTar({ name: 'seed', type: 'directory' }, { name: 'seed/file', body: 'x' })
      await kit.engine.containers.writeTar(source, '/', Readable.from([inside]))
      const made = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:seed` }
      const image = await kit.engine.images.commit(source, made)
      const [filled, left] = [unique(), unique()]
      for (const name of [filled, left]) await kit.engine.volumes.create(name, kit.labels('volume'))
      const fileIn = async (volume: string, populate: boolean) => {
        const mounts = [{ type: 'volume' as const, volume, path: '/seed', readonly: false, populate }]
        const id = await kit.engine.containers.create(kit.spec({ image, mounts }))
        const found = await kit.engine.containers.stat(id, '/seed/file')
        await kit.engine.containers.remove(id, { force: true })
        return found?.size
      }
      expect(await fileIn(filled, true)).toBe(1)
      expect(await fileIn(left, false)).toBeUndefined()
      expect(await fileIn(filled, false)).toBe(1)
    })

    test('a missing one is not made by reading or writing it', async () => {
      const name = unique()
      expect(await failureOf(kit.engine.volumes.read(name, kit.labels('volume')))).toMatchObject({ code: 'not-found' })
      const tar = Readable.from([await makeTar()])
      expect(await failureOf(kit.engine.volumes.write(name, tar, kit.labels('volume')))).toMatchObject({
        code: 'not-found',
      })
      expect(await kit.engine.volumes.inspect(name)).toBeUndefined()
    })

    test('a stream that is dropped half-way is let go of', async () => {
      const name = unique()
      await kit.engine.volumes.create(name, kit.labels('volume'))
      const sized = { name: 'big', body: Buffer.alloc(1 << 20) }
      await kit.engine.volumes.write(name, Readable.from([await makeTar(sized)]), kit.labels('volume'))
      const dropped = await kit.engine.volumes.read(name, kit.labels('volume'))
      dropped.destroy()
      await expect.poll(() => kit.engine.volumes.remove(name)).toBe('removed')
    })

    test('a file of any length is kept, read and dropped', async () => {
      const options = { labels: kit.labels('volume', { origin: '' }), maxBytes: LARGE.length }
      for (const content of [Buffer.alloc(0), Buffer.from('small'), LARGE]) {
        const name = unique()
        const file = await kit.engine.volumes.putFile(name, 'file', Readable.from([content]), options)
        expect(file).toEqual({ size: content.length, sha256: createHash('sha256').update(content).digest('hex') })
        const read = async (): Promise<Readable | undefined> =>
          (await kit.engine.volumes.getFile(name, 'file', options.labels))?.content
        expect((await buffer((await read()) ?? Readable.from([]))).equals(content)).toBe(true)
        expect(await kit.engine.volumes.getFile(name, 'other', options.labels)).toBeUndefined()
        ;(await read())?.destroy()
        await expect.poll(() => kit.engine.volumes.remove(name)).toBe('removed')
      }
      const more = Readable.from([LARGE, Buffer.from('x')])
      const name = unique()
      expect(await failureOf(kit.engine.volumes.putFile(name, 'file', more, options))).toMatchObject({
        code: 'too-large',
      })
      expect(await kit.engine.volumes.inspect(name)).toBeUndefined()
    })

    test('whoever sends or reads a kept file slowly keeps nobody from removing images', async () => {
      const name = unique()
      const options = { labels: kit.labels('volume'), maxBytes: 2 * LARGE.length }
      let isSent = false
      const sending = async function* (): AsyncGenerator<Buffer> {
        yield LARGE
        // The engine looks at all containers when an image goes: at a locked one for as long as it is locked.
        await removeAnImage()
        yield LARGE
        isSent = true
      }
      await kit.engine.volumes.putFile(name, 'file', Readable.from(sending(), { objectMode: false }), options)
      expect(isSent).toBe(true)
      const kept = await kit.engine.volumes.getFile(name, 'file', options.labels)
      let read = 0
      for await (const chunk of (kept?.content ?? Readable.from([])) as AsyncIterable<Buffer>) {
        if (read === 0) await removeAnImage()
        read += chunk.length
      }
      expect(read).toBe(2 * LARGE.length)
      expect(await kit.engine.volumes.remove(name)).toBe('removed')
    })

    async function removeAnImage(): Promise<void> {
      const tag = `windlass-test/${unique()}:gone`
      const tar = Readable.from([await makeTar({ name: 'file', body: unique() })])
      await kit.engine.images.importTar(tar, { labels: kit.labels('image'), tag, command: [], environment: {} })
      expect(await kit.engine.images.untag(tag)).toBe('removed')
    }
  })
}

/** More than one part of a kept file. */
const LARGE = randomBytes(20_000_000)

function network(kit: EngineKit, more: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    name: unique(),
    bridge: `wt${randomUUID().slice(0, 8)}`,
    subnet: '10.233.0.0/24',
    gateway: '10.233.0.1',
    foreignRange: '10.233.0.128/25',
    labels: kit.labels('network'),
    ...more,
  }
}
