/** Files of containers, one by one: what every implementation of the engine port must do with them. */
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { FileAttributes } from '../../src/core/files.ts'
import { type EngineKit, failureOf, unique } from './engine-kit.ts'
import { makeTar, readTar } from './tar-samples.ts'

const PLAIN: FileAttributes = { mode: 0o640, uid: 7, gid: 8, modified: 1_000_000_000_000 }
const LARGE = Buffer.alloc(12_000_000, 'windlass ')

export function fileWorkCases(kit: EngineKit): void {
  const bytes = (...chunks: (string | Buffer)[]) =>
    Readable.from(
      chunks.map((one) => Buffer.from(one)),
      { objectMode: false },
    )
  const textAt = async (container: string, path: string) => {
    const opened = await kit.engine.files.read({ container, path })
    return opened && buffer(opened.content)
  }

  describe.each([
    ['stopped', '/root', async () => kit.engine.containers.create(kit.spec())],
    ['running', '/root', () => kit.started()],
    ['running, where only processes inside see it,', '/dev/shm', () => kit.started()],
  ])('files while it is %s', (_title, folder, make) => {
    test('are made, read, replaced, added to and removed', async () => {
      const container = await make()
      const { files } = kit.engine
      const at = (name: string) => ({ container, path: `${folder}/${name}` })
      expect(await files.look(at('none'))).toBeUndefined()
      expect(await files.typeOf(at('none'))).toBeUndefined()
      expect(await files.read(at('none'))).toBeUndefined()
      for (const content of ['', 'small', LARGE]) {
        await files.putFile(at('-ünï code'), bytes(content), { ...PLAIN, mode: 0o4755 })
        expect(await files.look(at('-ünï code'))).toMatchObject({
          type: 'file',
          size: Buffer.byteLength(content),
          mode: 0o4755,
          uid: 7,
          gid: 8,
        })
        expect((await textAt(container, at('-ünï code').path))?.equals(Buffer.from(content))).toBe(true)
      }
      await files.putFile(at('log'), bytes('one '), PLAIN)
      await files.putFile(at('log'), bytes('two '), { ...PLAIN, append: true })
      await files.putFile(at('log'), bytes(LARGE), { ...PLAIN, append: true })
      const log = await textAt(container, at('log').path)
      expect(log?.subarray(0, 16).toString()).toBe('one two windlass')
      expect(log?.length).toBe(8 + LARGE.length)
      await files.putDirectory(at('dir'), { ...PLAIN, mode: 0o1711 })
      expect(await files.look(at('dir'))).toMatchObject({ type: 'directory', mode: 0o1711, uid: 7 })
      await files.putSymlink(at('dir/link'), '../log', PLAIN)
      await files.putSymlink(at('dir/link'), '../-ünï code', PLAIN)
      expect(await files.look(at('dir/link'))).toMatchObject({ type: 'symlink', target: '../-ünï code' })
      expect(await files.resolve(at('dir/link'))).toBe(`${folder}/-ünï code`)
      const types = ['-ünï code', 'dir', 'dir/link'].map((name) => files.typeOf(at(name)))
      expect(await Promise.all(types)).toEqual(['file', 'directory', 'symlink'])
      expect((await files.list({ container, path: folder })).toSorted()).toEqual(['-ünï code', 'dir', 'log'])
      expect(await files.list(at('dir'))).toEqual(['link'])
      await files.remove(at('dir/link'), false)
      await files.remove(at('dir'), true)
      await files.remove(at('log'), false)
      await files.remove(at('log'), false)
      expect(await files.list({ container, path: folder })).toEqual(['-ünï code'])
    })

    test('what is cut off leaves what was there', async () => {
      const container = await make()
      const { files } = kit.engine
      const place = { container, path: `${folder}/kept` }
      await files.putFile(place, bytes('before'), PLAIN)
      for (const begun of [Buffer.from('abc'), LARGE]) {
        const cut = Readable.from(
          (async function* () {
            yield begun
            throw new Error('gone')
          })(),
          { objectMode: false },
        )
        expect(await failureOf(files.putFile(place, cut, PLAIN))).toMatchObject({ code: 'bad-request' })
        expect((await textAt(container, place.path))?.toString()).toBe('before')
      }
      expect(await files.list({ container, path: folder })).toEqual(['kept'])
    })

    test('mistakes change nothing', async () => {
      const container = await make()
      const { files } = kit.engine
      const at = (name: string) => ({ container, path: `${folder}/${name}` })
      const code = expect.stringMatching(/bad-request|not-found/)
      await files.putDirectory(at('dir'), PLAIN)
      await files.putFile(at('dir/file'), bytes('x'), PLAIN)
      expect(await failureOf(files.putFile(at('no/such'), bytes('x'), PLAIN))).toMatchObject({ code: 'not-found' })
      expect(await failureOf(files.putFile(at('no/such'), bytes(LARGE), PLAIN))).toMatchObject({ code: 'not-found' })
      expect(await failureOf(files.putFile(at('dir/file/below'), bytes('x'), PLAIN))).toMatchObject({ code })
      expect(await files.list(at('dir'))).toEqual(['file'])
    })
  })

  test('a link among the folders leads to what only processes inside see', async () => {
    const container = await kit.started({ boot: 'systemd' })
    const { files } = kit.engine
    await kit.sh(container, 'mkdir -p /var && ln -sfn /run /var/run && ln -s /tmp/new /root/link && echo now >/run/now')
    expect((await textAt(container, '/var/run/now'))?.toString()).toBe('now\n')
    await files.putFile({ container, path: '/var/run/pushed' }, bytes('pushed'), PLAIN)
    await files.putFile({ container, path: '/tmp/pushed' }, bytes(LARGE), PLAIN)
    expect(await kit.sh(container, 'cat /run/pushed; wc -c </tmp/pushed')).toBe(`pushed${LARGE.length}\n`)
    expect(await files.resolve({ container, path: '/root/link' })).toBe('/tmp/new')
    await kit.engine.containers.pause(container)
    expect(await failureOf(files.look({ container, path: '/run/now' }))).toMatchObject({ code: 'conflict' })
    expect(await files.look({ container, path: '/root/link' })).toMatchObject({ type: 'symlink' })
    await kit.engine.containers.unpause(container)
    await kit.engine.containers.remove(container, { force: true })
  })

  test('a container without a shell has its files all the same, but for what only it sees', async () => {
    const busybox = (await readTar(await kit.at.rootfs(), 'latin1')).get('bin/busybox')?.body ?? ''
    const tar = await makeTar({ name: 'busybox', body: Buffer.from(busybox, 'latin1'), mode: 0o755 })
    const tag = `windlass-test/${unique()}:bare`
    const options = { labels: kit.labels('image'), tag, command: ['/busybox', 'sleep', '1000'], environment: {} }
    const image = await kit.engine.images.importTar(Readable.from([tar]), options)
    const container = await kit.started({ image, command: undefined })
    const { files } = kit.engine
    await files.putDirectory({ container, path: '/dir' }, PLAIN)
    await files.putFile({ container, path: '/dir/file' }, bytes('one'), PLAIN)
    await files.putFile({ container, path: '/dir/file' }, bytes('two'), { ...PLAIN, append: true })
    expect((await textAt(container, '/dir/file'))?.toString()).toBe('onetwo')
    await files.remove({ container, path: '/dir/file' }, false)
    await files.remove({ container, path: '/dir' }, true)
    expect(await files.look({ container, path: '/dir' })).toBeUndefined()
    const hidden = (name: string) => ({ container, path: `/dev/shm/${name}` })
    expect(await failureOf(files.putFile(hidden('a'), bytes('x'), PLAIN))).toMatchObject({ code: 'bad-request' })
    expect(await failureOf(files.look(hidden('a')))).toMatchObject({ code: 'bad-request' })
  })

  test('a reader that takes its time does not hold the container up', async () => {
    const container = await kit.started()
    const place = { container, path: '/root/large' }
    await kit.sh(container, 'dd if=/dev/zero of=/root/large bs=1M count=40')
    const opened = await kit.engine.files.read(place)
    let read = 0
    for await (const chunk of (opened?.content ?? Readable.from([])) as AsyncIterable<Buffer>) {
      // With the lock held it would wait for us, who wait for it.
      if (read === 0) expect((await kit.engine.containers.inspect(container))?.id).toBe(container)
      read += chunk.length
    }
    expect(read).toBe(40 * 1024 * 1024)
  })
}
