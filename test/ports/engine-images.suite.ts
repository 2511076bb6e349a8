import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { ImageDetail } from '../../src/core/engine.ts'
import { type EngineKit, failureOf, unique } from './engine-kit.ts'
import { makeTar } from './tar-samples.ts'

/** What an image port must do. */
export function imageCases(kit: EngineKit): void {
  describe('images', () => {
    test('a commit is made once per operation and step', async () => {
      const id = await kit.engine.containers.create(kit.spec())
      const made = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:s1` }
      const image = await kit.engine.images.commit(id, made)
      expect(await kit.engine.images.commit(id, made)).toBe(image)
      expect(await kit.engine.images.inspect(made.tag)).toMatchObject({ id: image, own: made.labels })
      expect((await kit.engine.images.find({ operation: made.labels.operation })).map((one) => one.id)).toEqual([image])
      expect(await kit.engine.images.untag(made.tag)).toBe('removed')
      expect(await kit.engine.images.untag(made.tag)).toBe('missing')
      expect(await kit.engine.images.inspect(image)).toBeUndefined()
    })

    test('a running one is frozen for its commit, a paused one stays paused', async () => {
      const id = await kit.started()
      const tag = `windlass-test/${unique()}`
      await kit.engine.images.commit(id, { labels: kit.labels('snapshot'), tag: `${tag}:1` })
      expect((await kit.engine.containers.inspect(id))?.status).toBe('running')
      await kit.engine.containers.pause(id)
      await kit.engine.images.commit(id, { labels: kit.labels('snapshot'), tag: `${tag}:2` })
      expect((await kit.engine.containers.inspect(id))?.status).toBe('paused')
    })

    test('a root file system is imported with its configuration', async () => {
      const own = kit.labels('image')
      const tag = `windlass-test/${unique()}:1`
      const environment = { PATH: '/bin', MONEY: '$HOME "x"' }
      const options = { labels: own, tag, command: ['sh', '-c', 'exit 5'], environment }
      const id = await kit.engine.images.importTar(Readable.from([await kit.at.rootfs()]), options)
      expect(await kit.engine.images.inspect(id)).toMatchObject({ id, tags: [tag], own, environment, layers: 1 })
      expect(await kit.engine.images.importTar(Readable.from([await kit.at.rootfs()]), options)).toBe(id)
      const container = await kit.started({ image: id, command: undefined })
      await kit.engine.containers.stop(container, { stopSignal: 'SIGTERM', timeoutSeconds: 20, thenKill: false })
      expect((await kit.engine.containers.inspect(container))?.exitCode).toBe(5)
    })

    test('what is no plain tar is refused and leaves nothing', async () => {
      const before = (await kit.engine.images.list()).length
      const bodies = [
        Buffer.from('1f8b08000000000000ff', 'hex'),
        Buffer.alloc(2048),
        Buffer.alloc(0),
        Buffer.alloc(900, 'a'),
      ]
      for (const body of bodies) {
        const options = {
          labels: kit.labels('image'),
          tag: `windlass-test/${unique()}:1`,
          command: ['sh'],
          environment: {},
        }
        const failure = await failureOf(
          kit.engine.images.importTar(Readable.from([body], { objectMode: false }), options),
        )
        expect(failure).toMatchObject({ code: 'bad-request' })
      }
      const cut = (await kit.at.rootfs()).subarray(0, 100_000)
      const options = {
        labels: kit.labels('image'),
        tag: `windlass-test/${unique()}:1`,
        command: ['sh'],
        environment: {},
      }
      await failureOf(kit.engine.images.importTar(Readable.from([cut]), options))
      expect(await kit.engine.images.list()).toHaveLength(before)
    })

    test('tags count references: in use, missing, removed', async () => {
      const source = await kit.engine.containers.create(kit.spec())
      const tag = `windlass-test/${unique()}:a`
      const id = await kit.engine.images.commit(source, { labels: kit.labels('snapshot'), tag })
      await kit.engine.images.tag(id, `${tag}2`)
      const user = await kit.engine.containers.create(kit.spec({ image: id }))
      expect(await kit.engine.images.untag(`${tag}2`)).toBe('removed')
      expect(await kit.engine.images.untag(tag)).toBe('in-use')
      await kit.engine.containers.remove(user, { force: true })
      expect(await kit.engine.images.untag(tag)).toBe('removed')
      expect(await kit.engine.images.inspect(id.slice(0, 20))).toBeUndefined()
    })

    test('a saved image loads again without taking a name', async () => {
      const source = await kit.engine.containers.create(kit.spec({ environment: { SAVED: unique() } }))
      const tag = `windlass-test/${unique()}:a`
      const id = await kit.engine.images.commit(source, { labels: kit.labels('snapshot'), tag })
      const archive = await buffer(await kit.engine.images.save(tag))
      await kit.engine.containers.remove(source, { force: true })
      expect(await kit.engine.images.untag(tag)).toBe('removed')
      const loaded = await kit.engine.images.load(Readable.from([archive]))
      expect(await kit.engine.images.inspect(loaded)).toMatchObject({ tags: [] })
      expect(await kit.engine.images.inspect(tag)).toBeUndefined()
      await kit.engine.images.tag(loaded, tag)
      expect((await kit.engine.images.inspect(tag))?.id).toBe(id)
    })

    test('an archive with two images is refused', async () => {
      const archive = await makeTar({ name: 'manifest.json', body: '[{"Config":"a.json"},{"Config":"b.json"}]' })
      const failure = await failureOf(kit.engine.images.load(Readable.from([archive])))
      expect(failure).toMatchObject({ code: 'bad-request' })
      expect(failure.message).toContain('2 images')
    })

    const CONFIG = {
      Cmd: ['serve', 'it'],
      Entrypoint: ['/in', '--x'],
      Env: ['PATH=/bin', 'MONEY=$HOME'],
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
      User: '7:8',
      Volumes: { '/data': {} },
      WorkingDir: '/srv',
    }
    const told = {
      command: ['other'],
      entrypoint: ['/o'],
      user: '5',
      workdir: '/o',
      stopSignal: 'SIGINT',
      environment: { A: '1', MONEY: 'mine' },
    }

    /** Two commits, each of a container made from the image before that was told something else. */
    async function commitTwice(image: string): Promise<ImageDetail> {
      let last = image
      for (const more of [told, { ...told, environment: { A: '2', B: '1' } }]) {
        const container = await kit.engine.containers.create(kit.spec({ image: last, ...more }))
        const made = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:told` }
        last = await kit.engine.images.commit(container, made)
        await kit.engine.containers.remove(container, { force: true })
      }
      const detail = await kit.engine.images.inspect(last)
      if (detail === undefined) throw new Error('The commit is gone')
      expect(detail.own?.role).toBe('snapshot')
      const helpers = await kit.engine.images.find({ project: kit.project, role: 'helper' })
      expect(helpers.flatMap((one) => one.tags)).toEqual([])
      return detail
    }

    test('a commit runs like the image below its container, whatever the container was told', async () => {
      const image = await kit.engine.images.load(Readable.from([await archiveOf(1, CONFIG)]))
      expect(await commitTwice(image)).toMatchObject({
        command: CONFIG.Cmd,
        entrypoint: CONFIG.Entrypoint,
        environment: { PATH: '/bin', MONEY: '$HOME' },
        stopSignal: 'SIGQUIT',
        user: '7:8',
        workdir: '/srv',
      })
    })

    test('a commit of what was told everything, made from an image that says nothing, says nothing either', async () => {
      const image = await kit.engine.images.load(Readable.from([await archiveOf(1, {})]))
      const bare = { entrypoint: [], command: [], environment: {}, stopSignal: 'SIGTERM', user: '0', workdir: '/' }
      expect(await commitTwice(image)).toMatchObject(bare)
      const container = await kit.engine.containers.create(kit.spec({ image, command: ['only'], environment: {} }))
      const tag = `windlass-test/${unique()}:only`
      const id = await kit.engine.images.commit(container, { labels: kit.labels('snapshot'), tag })
      expect(await kit.engine.images.inspect(id)).toMatchObject({ tags: [tag], entrypoint: [], command: [] })
    })

    test('a variable that only the container had is gone from what is made of its commit', async () => {
      const first = await kit.started({ environment: { GONE: 'x', KEPT: 'x' } })
      const tag = `windlass-test/${unique()}:1`
      const image = await kit.engine.images.commit(first, { labels: kit.labels('snapshot'), tag })
      const second = await kit.started({ image, environment: { KEPT: 'y' } })
      const names = 'tr "\\0" "\\n" </proc/1/environ | grep -E "^(GONE|KEPT|PATH)" | cut -d= -f1 | sort | xargs'
      expect(await kit.sh(second, names)).toBe('KEPT PATH\n')
      expect(await kit.sh(second, 'echo "${GONE-unset} $KEPT"')).toBe('unset y\n')
      expect((await kit.engine.containers.inspect(second))?.environment).toMatchObject({ KEPT: 'y' })
    })

    test('a commit of too many layers is flattened, files and the configuration of its image kept', async () => {
      const many = await kit.engine.images.load(Readable.from([await archiveOf(100, CONFIG)]))
      expect((await kit.engine.images.inspect(many))?.layers).toBe(100)
      const container = await kit.engine.containers.create(kit.spec({ image: many, ...told }))
      const made = { labels: kit.labels('snapshot'), tag: `windlass-test/${unique()}:flat` }
      const id = await kit.engine.images.commit(container, made)
      expect(await kit.engine.images.inspect(id)).toMatchObject({
        layers: 1,
        tags: [made.tag],
        own: made.labels,
        command: CONFIG.Cmd,
        entrypoint: CONFIG.Entrypoint,
        environment: { PATH: '/bin', MONEY: '$HOME' },
        stopSignal: 'SIGQUIT',
        user: '7:8',
        volumes: ['/data'],
        workdir: '/srv',
      })
      const copy = await kit.engine.containers.create(kit.spec({ image: id }))
      expect(await kit.engine.containers.stat(copy, '/file-99')).toMatchObject({ size: 2 })
      // What is left of the making has no name, and goes with the image built on it.
      const helpers = await kit.engine.images.find({ project: kit.project, role: 'helper' })
      expect(helpers.flatMap((one) => one.tags)).toEqual([])
      for (const one of [container, copy]) await kit.engine.containers.remove(one, { force: true })
    })

    test('the empty image is made once', async () => {
      expect(await kit.engine.images.empty()).toBe(await kit.engine.images.empty())
    })

    test('a pull that fails says why', async () => {
      const reference = 'localhost:1/no/such:1'
      const failure = await failureOf(kit.engine.images.pull(reference, { onProgress: () => undefined }))
      expect(failure.message).toContain(reference)
    })
  })
}

/** An image archive as `docker save` writes it, with so many layers of one small file each. */
async function archiveOf(layers: number, config: Record<string, unknown>): Promise<Buffer> {
  const bodies = await Promise.all(
    Array.from({ length: layers }, (_, index) => makeTar({ name: `file-${index}`, body: String(index).padStart(2) })),
  )
  const digests = bodies.map((body) => `sha256:${createHash('sha256').update(body).digest('hex')}`)
  const image = { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: digests } }
  const manifest = [{ Config: 'image.json', RepoTags: null, Layers: bodies.map((_, index) => `${index}/layer.tar`) }]
  return makeTar(
    ...bodies.map((body, index) => ({ name: `${index}/layer.tar`, body })),
    { name: 'image.json', body: JSON.stringify(image) },
    { name: 'manifest.json', body: JSON.stringify(manifest) },
  )
}
