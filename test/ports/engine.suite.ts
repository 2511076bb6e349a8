/** What every implementation of the engine port must do; run it on whatever engine is there. */
import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ContainerSpec, Engine, EngineEvent, ExecSpec, OwnLabels, RunningExec } from '../../src/core/engine.ts'
import { isFailure } from '../../src/core/failure.ts'

/** An engine under test. `image` holds a static busybox with `sh`, and its own PATH. */
export interface EngineUnderTest {
  engine: Engine
  deployment: string
  /** Reference of the image, with its tag. */
  image: string
  /** Root file system of that image as plain tar. */
  rootfs(): Promise<Buffer>
  close(): Promise<void>
}

const NO_LIMITS = { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: 0, processes: 0 }

/** One run of the suite. Everything it makes carries labels of a project of its own, by which it is removed. */
export function engineSuite(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(name, () => {
    let at: EngineUnderTest
    let engine: Engine
    const project = `suite-${randomUUID().slice(0, 8)}`
    const labels = (role: OwnLabels['role'], more: Partial<OwnLabels> = {}): OwnLabels => ({
      deployment: at.deployment,
      role,
      uuid: randomUUID(),
      project,
      operation: randomUUID(),
      step: 'make',
      origin: '{"a":"$b \\"c\\""}',
      ...more,
    })
    const unique = (): string => `wt-${randomUUID().slice(0, 12)}`
    const spec = (more: Partial<ContainerSpec> = {}): ContainerSpec => ({
      name: unique(),
      image: at.image,
      hostname: 'c1',
      searchDomain: 'lxd',
      labels: labels('instance'),
      boot: 'application',
      command: ['sleep', '1000'],
      entrypoint: undefined,
      user: undefined,
      workdir: undefined,
      stopSignal: 'SIGTERM',
      environment: {},
      nics: [],
      mounts: [],
      ports: [],
      limits: NO_LIMITS,
      privileged: false,
      nesting: false,
      ...more,
    })
    const started = async (more: Partial<ContainerSpec> = {}): Promise<string> => {
      const id = await engine.containers.create(spec(more))
      await engine.containers.start(id)
      return id
    }
    const tarOf = (...entries: Parameters<typeof addEntry>[1][]): Promise<Buffer> => makeTar(entries)

    beforeAll(async () => {
      at = await open()
      engine = at.engine
    })
    afterAll(async () => {
      await clean(engine, project)
      await at.close()
    })

    test('tells what it is and answers a ping', async () => {
      await engine.ping()
      const info = await engine.info()
      expect(info.apiVersion).toMatch(/^1\.\d+$/)
      expect(info.cpus).toBeGreaterThan(0)
      expect(info.memoryBytes).toBeGreaterThan(0)
      expect(info.version).not.toBe('')
    })

    describe('containers', () => {
      test('are created from a spec with all that it says', async () => {
        const own = labels('instance')
        const wanted = spec({
          labels: own,
          environment: { A: '1', B: 'x=y z' },
          limits: { ...NO_LIMITS, cpuQuota: 50_000, memoryBytes: 64 << 20, swapBytes: 0, processes: 100 },
          stopSignal: 'SIGUSR1',
        })
        const id = await engine.containers.create(wanted)
        const detail = await engine.containers.inspect(wanted.name)
        expect(detail).toMatchObject({ id, name: wanted.name, status: 'created', own, hostname: 'c1', tty: true })
        expect(detail).toMatchObject({ command: ['sleep', '1000'], stopSignal: 'SIGUSR1', privileged: false })
        expect(detail?.environment).toMatchObject({ A: '1', B: 'x=y z' })
        expect(detail?.hostNamespaces).toEqual([])
        expect(detail?.addedCapabilities).toEqual([])
        expect((await engine.containers.find({ uuid: own.uuid })).map((one) => one.id)).toEqual([id])
        expect((await engine.containers.list()).find((one) => one.id === id)).toMatchObject({ name: wanted.name, own })
        expect(await engine.containers.find({ uuid: randomUUID() })).toEqual([])
      })

      test('of another deployment are not ours', async () => {
        const id = await engine.containers.create(spec({ labels: labels('instance', { deployment: 'other' }) }))
        expect((await engine.containers.inspect(id))?.own).toBeUndefined()
        await engine.containers.remove(id, { force: true })
      })

      test('made by others from an image of ours are not ours', async () => {
        const id = await engine.containers.create(spec())
        const image = await engine.images.commit(id, { labels: labels('snapshot'), tag: `windlass-test/${unique()}:1` })
        expect((await engine.images.inspect(image))?.own?.role).toBe('snapshot')
        expect((await engine.containers.inspect(id))?.own?.role).toBe('instance')
      })

      test('are found by exact id or name only', async () => {
        const id = await engine.containers.create(spec())
        expect((await engine.containers.inspect(id))?.id).toBe(id)
        expect(await engine.containers.inspect(id.slice(0, 12))).toBeUndefined()
        expect(await engine.containers.inspect('no-such-container')).toBeUndefined()
        expect(await engine.containers.inspect('../images/json')).toBeUndefined()
      })

      test('a taken name is a conflict that names its holder', async () => {
        const first = spec()
        const id = await engine.containers.create(first)
        const failure = await failureOf(engine.containers.create(spec({ name: first.name })))
        expect(failure).toMatchObject({ code: 'conflict' })
        expect(failure.message).toContain(id.slice(0, 12))
        const other = await engine.containers.create(spec())
        expect(await failureOf(engine.containers.rename(other, first.name))).toMatchObject({ code: 'conflict' })
      })

      test('start, pause, unpause, rename, stop and remove may be repeated', async () => {
        const id = await started()
        await engine.containers.start(id)
        expect((await engine.containers.inspect(id))?.status).toBe('running')
        await engine.containers.pause(id)
        await engine.containers.pause(id)
        expect((await engine.containers.inspect(id))?.status).toBe('paused')
        await engine.containers.unpause(id)
        await engine.containers.unpause(id)
        const name = unique()
        await engine.containers.rename(id, name)
        await engine.containers.rename(id, name)
        const now = { stopSignal: 'SIGTERM', timeoutSeconds: 0, thenKill: true }
        expect(await engine.containers.stop(id, now)).toBe('stopped')
        expect(await engine.containers.stop(id, now)).toBe('stopped')
        await engine.containers.kill(id, 'SIGKILL')
        expect(await engine.containers.inspect(name)).toMatchObject({ status: 'exited', exitCode: 137 })
        await engine.containers.remove(id, { force: false })
        await engine.containers.remove(id, { force: false })
        expect(await engine.containers.inspect(id)).toBeUndefined()
      })

      test('stop sends the signal, also one with a plus, and waits for it', async () => {
        const id = await started()
        await engine.containers.stop(id, { stopSignal: 'SIGRTMIN+3', timeoutSeconds: 20, thenKill: false })
        // 128 and the signal's number, which is 37.
        expect((await engine.containers.inspect(id))?.exitCode).toBe(165)
      })

      test('stop wakes a paused one, and says so where it still runs', async () => {
        const id = await started({ command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'] })
        await engine.containers.pause(id)
        const patient = { stopSignal: 'SIGTERM', timeoutSeconds: 0.2, thenKill: false }
        expect(await engine.containers.stop(id, patient)).toBe('running')
        expect((await engine.containers.inspect(id))?.status).toBe('running')
        expect(await engine.containers.stop(id, { ...patient, thenKill: true })).toBe('stopped')
        expect((await engine.containers.inspect(id))?.status).toBe('exited')
      })

      test('what is missing is not-found, a signal to what is stopped a conflict', async () => {
        expect(await failureOf(engine.containers.start('no-such-container'))).toMatchObject({ code: 'not-found' })
        const id = await engine.containers.create(spec())
        expect(await failureOf(engine.containers.kill(id, 'SIGHUP'))).toMatchObject({ code: 'conflict' })
        expect(await failureOf(engine.containers.create(spec({ image: 'no/such:image' })))).toMatchObject({
          code: 'not-found',
        })
      })

      test('limits change while it runs, and are taken back', async () => {
        const id = await started()
        await engine.containers.updateLimits(id, {
          ...NO_LIMITS,
          cpuQuota: 20_000,
          memoryBytes: 64 << 20,
          processes: 50,
        })
        await engine.containers.updateLimits(id, NO_LIMITS)
        await engine.containers.updateLimits(id, { ...NO_LIMITS, memoryBytes: 32 << 20, swapBytes: -1 })
        await engine.containers.remove(id, { force: true })
      })

      test('a call ends when its signal comes', async () => {
        const id = await started({ command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'] })
        const control = new AbortController()
        const forever = { stopSignal: 'SIGTERM', timeoutSeconds: -1, thenKill: false }
        const stopping = failureOf(engine.containers.stop(id, forever, control.signal))
        setTimeout(() => control.abort(), 50)
        expect(await stopping).toMatchObject({ code: 'cancelled' })
        await engine.containers.remove(id, { force: true })
      })
    })

    describe('images', () => {
      test('a commit is made once per operation and step', async () => {
        const id = await engine.containers.create(spec({ environment: { A: '1' } }))
        const made = { labels: labels('snapshot'), tag: `windlass-test/${unique()}:s1` }
        const image = await engine.images.commit(id, made)
        expect(await engine.images.commit(id, made)).toBe(image)
        const detail = await engine.images.inspect(made.tag)
        expect(detail).toMatchObject({ id: image, own: made.labels, command: ['sleep', '1000'], stopSignal: 'SIGTERM' })
        expect(detail?.environment.A).toBe('1')
        expect((await engine.images.find({ operation: made.labels.operation })).map((one) => one.id)).toEqual([image])
        expect(await engine.images.untag(made.tag)).toBe('removed')
        expect(await engine.images.untag(made.tag)).toBe('missing')
        expect(await engine.images.inspect(image)).toBeUndefined()
      })

      test('a running one is frozen for its commit, a paused one stays paused', async () => {
        const id = await started()
        const tag = `windlass-test/${unique()}`
        await engine.images.commit(id, { labels: labels('snapshot'), tag: `${tag}:1` })
        expect((await engine.containers.inspect(id))?.status).toBe('running')
        await engine.containers.pause(id)
        await engine.images.commit(id, { labels: labels('snapshot'), tag: `${tag}:2` })
        expect((await engine.containers.inspect(id))?.status).toBe('paused')
      })

      test('a root file system is imported with its configuration', async () => {
        const own = labels('image')
        const tag = `windlass-test/${unique()}:1`
        const environment = { PATH: '/bin', MONEY: '$HOME "x"' }
        const options = { labels: own, tag, command: ['sh', '-c', 'exit 5'], environment }
        const id = await engine.images.importTar(Readable.from([await at.rootfs()]), options)
        expect(await engine.images.inspect(id)).toMatchObject({ id, tags: [tag], own, environment, layers: 1 })
        expect(await engine.images.importTar(Readable.from([await at.rootfs()]), options)).toBe(id)
        const container = await started({ image: id, command: undefined })
        await engine.containers.stop(container, { stopSignal: 'SIGTERM', timeoutSeconds: 20, thenKill: false })
        expect((await engine.containers.inspect(container))?.exitCode).toBe(5)
      })

      test('what is no plain tar is refused and leaves nothing', async () => {
        const before = (await engine.images.list()).length
        const bodies = [
          Buffer.from('1f8b08000000000000ff', 'hex'),
          Buffer.alloc(2048),
          Buffer.alloc(0),
          Buffer.alloc(900, 'a'),
        ]
        for (const body of bodies) {
          const options = {
            labels: labels('image'),
            tag: `windlass-test/${unique()}:1`,
            command: ['sh'],
            environment: {},
          }
          const failure = await failureOf(
            engine.images.importTar(Readable.from([body], { objectMode: false }), options),
          )
          expect(failure).toMatchObject({ code: 'bad-request' })
        }
        const cut = (await at.rootfs()).subarray(0, 100_000)
        const options = {
          labels: labels('image'),
          tag: `windlass-test/${unique()}:1`,
          command: ['sh'],
          environment: {},
        }
        await failureOf(engine.images.importTar(Readable.from([cut]), options))
        expect(await engine.images.list()).toHaveLength(before)
      })

      test('tags count references: in use, missing, removed', async () => {
        const source = await engine.containers.create(spec())
        const tag = `windlass-test/${unique()}:a`
        const id = await engine.images.commit(source, { labels: labels('snapshot'), tag })
        await engine.images.tag(id, `${tag}2`)
        const user = await engine.containers.create(spec({ image: id }))
        expect(await engine.images.untag(`${tag}2`)).toBe('removed')
        expect(await engine.images.untag(tag)).toBe('in-use')
        await engine.containers.remove(user, { force: true })
        expect(await engine.images.untag(tag)).toBe('removed')
        expect(await engine.images.inspect(id.slice(0, 20))).toBeUndefined()
      })

      test('a saved image loads again without taking a name', async () => {
        const source = await engine.containers.create(spec({ environment: { SAVED: unique() } }))
        const tag = `windlass-test/${unique()}:a`
        const id = await engine.images.commit(source, { labels: labels('snapshot'), tag })
        const archive = await buffer(await engine.images.save(tag))
        await engine.containers.remove(source, { force: true })
        expect(await engine.images.untag(tag)).toBe('removed')
        const loaded = await engine.images.load(Readable.from([archive]))
        expect(await engine.images.inspect(loaded)).toMatchObject({ tags: [] })
        expect(await engine.images.inspect(tag)).toBeUndefined()
        await engine.images.tag(loaded, tag)
        expect((await engine.images.inspect(tag))?.id).toBe(id)
      })

      test('an archive with two images is refused', async () => {
        const archive = await tarOf({ name: 'manifest.json', body: '[{"Config":"a.json"},{"Config":"b.json"}]' })
        const failure = await failureOf(engine.images.load(Readable.from([archive])))
        expect(failure).toMatchObject({ code: 'bad-request' })
        expect(failure.message).toContain('2 images')
      })

      test('the empty image is made once', async () => {
        expect(await engine.images.empty()).toBe(await engine.images.empty())
      })

      test('a pull that fails says why', async () => {
        const reference = 'localhost:1/no/such:1'
        const failure = await failureOf(engine.images.pull(reference, { onProgress: () => undefined }))
        expect(failure.message).toContain(reference)
      })
    })

    describe('networks', () => {
      const network = (more = {}) => ({
        name: unique(),
        bridge: `wt${randomUUID().slice(0, 8)}`,
        subnet: '10.233.0.0/24',
        gateway: '10.233.0.1',
        foreignRange: '10.233.0.128/25',
        labels: labels('network'),
        ...more,
      })

      test('are created, found, in use and removed', async () => {
        const wanted = network()
        const id = await engine.networks.create(wanted)
        const detail = { id, name: wanted.name, driver: 'bridge', bridge: wanted.bridge, subnet: wanted.subnet }
        expect(await engine.networks.inspect(wanted.name)).toMatchObject({ ...detail, own: wanted.labels })
        expect(await engine.networks.inspect(id)).toMatchObject(detail)
        expect(await engine.networks.inspect(id.slice(0, 10))).toBeUndefined()
        expect((await engine.networks.list()).map((one) => one.id)).toContain(id)
        const nic = {
          device: 'eth0',
          network: wanted.name,
          address: '10.233.0.20',
          mac: '00:16:3e:01:02:03',
          aliases: ['web'],
        }
        const container = await started({ nics: [nic] })
        expect((await engine.networks.inspect(id))?.containers).toEqual([container])
        expect(await engine.networks.remove(id)).toBe('in-use')
        const summary = (await engine.containers.list()).find((one) => one.id === container)
        expect(summary?.networks[wanted.name]).toMatchObject({
          address: nic.address,
          mac: nic.mac,
          gateway: wanted.gateway,
        })
        await engine.containers.stop(container, { stopSignal: 'SIGTERM', timeoutSeconds: 0, thenKill: true })
        expect((await engine.containers.inspect(container))?.networks[wanted.name]).toMatchObject({
          address: nic.address,
          mac: nic.mac,
        })
        await engine.containers.remove(container, { force: true })
        expect(await engine.networks.remove(id)).toBe('removed')
        expect(await engine.networks.remove(id)).toBe('missing')
      })

      test('names, bridges and subnets are taken once', async () => {
        const wanted = network()
        const id = await engine.networks.create(wanted)
        for (const more of [
          { name: wanted.name },
          { bridge: wanted.bridge, subnet: '10.234.0.0/24' },
          { bridge: 'docker0' },
          {},
        ]) {
          expect(await failureOf(engine.networks.create(network(more)))).toMatchObject({ code: 'conflict' })
        }
        await engine.networks.remove(id)
      })

      test('a container gets all its nics, each with its address', async () => {
        const first = network()
        const second = network({ subnet: '10.235.0.0/24', gateway: '10.235.0.1', foreignRange: '10.235.0.128/25' })
        await engine.networks.create(first)
        await engine.networks.create(second)
        const nics = [
          { device: 'eth0', network: first.name, address: '10.233.0.9', mac: '00:16:3e:00:00:09', aliases: [] },
          { device: 'eth1', network: second.name, address: '10.235.0.9', mac: '02:42:0a:eb:00:09', aliases: [] },
        ]
        const id = await started({ nics })
        const { networks } = (await engine.containers.inspect(id)) ?? {}
        for (const nic of nics) expect(networks?.[nic.network]).toMatchObject({ address: nic.address, mac: nic.mac })
        const twin = await engine.containers.create(spec({ nics: [{ ...nics[0]!, mac: '' }] }))
        expect(await failureOf(engine.containers.start(twin))).toMatchObject({ code: 'conflict' })
        await engine.containers.remove(twin, { force: true })
        await engine.containers.remove(id, { force: true })
        await engine.networks.remove((await engine.networks.inspect(first.name))?.id ?? '')
        await engine.networks.remove((await engine.networks.inspect(second.name))?.id ?? '')
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
        const own = labels('volume')
        await engine.volumes.create(name, own)
        await engine.volumes.create(name, own)
        expect(await failureOf(engine.volumes.create(name, labels('volume')))).toMatchObject({ code: 'conflict' })
        expect(await engine.volumes.inspect(name)).toMatchObject({ name, own })
        expect(await engine.volumes.inspect(`${name}x`)).toBeUndefined()
        expect((await engine.volumes.find({ uuid: own.uuid })).map((one) => one.name)).toEqual([name])
        expect((await engine.volumes.list()).map((one) => one.name)).toContain(name)
        const mounts = [{ type: 'volume' as const, volume: name, path: '/data', readonly: false }]
        const id = await engine.containers.create(spec({ mounts }))
        expect((await engine.containers.inspect(id))?.mounts).toMatchObject([
          { type: 'volume', volume: name, path: '/data' },
        ])
        expect(await engine.volumes.remove(name)).toBe('in-use')
        await engine.containers.remove(id, { force: true })
        expect(await engine.volumes.remove(name)).toBe('removed')
        expect(await engine.volumes.remove(name)).toBe('missing')
      })

      test('files survive writing, copying and reading, owners and links too', async () => {
        const [from, to] = [unique(), unique()]
        for (const name of [from, to]) await engine.volumes.create(name, labels('volume'))
        await engine.volumes.write(from, Readable.from([await tarOf(...files)]), labels('volume'))
        await engine.volumes.copy(from, to, labels('volume'))
        const read = await readTar(await buffer(await engine.volumes.read(to, labels('volume'))))
        expect(read.get('')).toMatchObject({ type: 'directory', mode: 0o750, uid: 1000 })
        expect([read.get('a.txt'), read.get('hard')].map((one) => one?.type).toSorted()).toEqual(['file', 'link'])
        const [file, link] = read.get('a.txt')?.type === 'file' ? ['a.txt', 'hard'] : ['hard', 'a.txt']
        expect(read.get(file)).toMatchObject({ mode: 0o4755, uid: 2_000_000, gid: 7, body: 'hello' })
        expect(read.get(link)?.linkname?.replace(/^\.\//, '')).toBe(file)
        expect(read.get('link')).toMatchObject({ type: 'symlink', linkname: '../../outside' })
        expect(read.get('long-'.repeat(50))?.body).toBe('x')
        expect(read.get('ünïcode – dir')?.type).toBe('directory')
        expect(await engine.containers.find({ project, role: 'helper' })).toEqual([])
        for (const name of [from, to]) expect(await engine.volumes.remove(name)).toBe('removed')
      })

      test('a missing one is not made by reading or writing it', async () => {
        const name = unique()
        expect(await failureOf(engine.volumes.read(name, labels('volume')))).toMatchObject({ code: 'not-found' })
        const tar = Readable.from([await tarOf()])
        expect(await failureOf(engine.volumes.write(name, tar, labels('volume')))).toMatchObject({ code: 'not-found' })
        expect(await engine.volumes.inspect(name)).toBeUndefined()
      })

      test('a stream that is dropped half-way is let go of', async () => {
        const name = unique()
        await engine.volumes.create(name, labels('volume'))
        const sized = { name: 'big', body: Buffer.alloc(1 << 20) }
        await engine.volumes.write(name, Readable.from([await tarOf(sized)]), labels('volume'))
        const dropped = await engine.volumes.read(name, labels('volume'))
        dropped.destroy()
        await expect.poll(() => engine.volumes.remove(name)).toBe('removed')
      })
    })

    describe('files', () => {
      test('are seen, read and written while it is stopped', async () => {
        const id = await engine.containers.create(spec())
        const { containers } = engine
        expect(await containers.stat(id, '/etc')).toMatchObject({ name: 'etc', type: 'directory', mode: 0o755 })
        expect(await containers.stat(id, '/bin/sh')).toMatchObject({ type: 'symlink' })
        expect(await containers.stat(id, '/tmp')).toMatchObject({ mode: 0o1777 })
        expect(await containers.stat(id, '/no/such')).toBeUndefined()
        expect(await containers.stat(id, '/etc/passwd/below')).toBeUndefined()
        expect(await failureOf(containers.stat('no-such', '/'))).toMatchObject({ code: 'not-found' })
        const body = Buffer.alloc(300_000, 'wind')
        const tar = await tarOf({ name: 'BZh-like', body, mode: 0o4711, uid: 5, gid: 6 }, { name: 'none', body: '' })
        await containers.writeTar(id, '/root', Readable.from([tar]))
        const stat = { name: 'BZh-like', size: body.length, mode: 0o4711, type: 'file' }
        expect(await containers.stat(id, '/root/BZh-like')).toMatchObject(stat)
        const read = await readTar(await buffer(await containers.readTar(id, '/root')))
        expect(read.get('root/BZh-like')).toMatchObject({ uid: 5, gid: 6, body: body.toString() })
        expect(read.get('root/none')?.body).toBe('')
        expect(await failureOf(containers.readTar(id, '/no/such'))).toMatchObject({ code: 'not-found' })
        const whole = await readTar(await buffer(await containers.exportTar(id)))
        expect(whole.get('root/BZh-like')?.mode).toBe(0o4711)
      })

      test('only plain tar gets in', async () => {
        const id = await engine.containers.create(spec())
        const magics = ['1f8b0800', 'fd377a585a00', '28b52ffd', '425a6839']
        for (const magic of magics) {
          const body = Buffer.concat([Buffer.from(magic, 'hex'), Buffer.alloc(2000)])
          const write = engine.containers.writeTar(id, '/', Readable.from([body], { objectMode: false }))
          expect(await failureOf(write)).toMatchObject({ code: 'bad-request' })
        }
        const nowhere = engine.containers.writeTar(id, '/no/such', Readable.from([await tarOf()]))
        expect(await failureOf(nowhere)).toMatchObject({ code: 'not-found' })
        const dropped = new Readable({ read: () => undefined })
        const writing = failureOf(engine.containers.writeTar(id, '/', dropped))
        dropped.push((await tarOf({ name: 'a', body: 'x'.repeat(9999) })).subarray(0, 2048))
        setTimeout(() => dropped.destroy(), 20)
        await writing
        expect((await engine.containers.inspect(id))?.id).toBe(id)
      })
    })

    describe('execs', () => {
      const exec = (container: string, command: string[], more: Partial<ExecSpec> = {}): ExecSpec => ({
        container,
        command,
        environment: {},
        user: '',
        cwd: '',
        tty: false,
        width: 0,
        height: 0,
        marker: randomUUID(),
        ...more,
      })
      const outcome = async (run: RunningExec) => {
        const [stdout, stderr, exit] = await Promise.all([textOf(run.stdout), textOf(run.stderr), run.exit])
        return { stdout, stderr, ...exit }
      }
      const sh = (container: string, script: string, more: Partial<ExecSpec> = {}) =>
        engine.execs.run(exec(container, ['sh', '-c', script], more))
      let id: string
      beforeAll(async () => {
        id = await started()
      })

      test('keep output, errors and code apart', async () => {
        const run = await sh(id, 'echo out; echo err >&2; echo $A; pwd; exit 3', {
          environment: { A: 'x y' },
          cwd: '/tmp',
        })
        expect(await outcome(run)).toEqual({ stdout: 'out\nx y\n/tmp\n', stderr: 'err\n', code: 3, failure: undefined })
      })

      test('get their input to its end', async () => {
        const run = await engine.execs.run(exec(id, ['wc', '-c']))
        const result = outcome(run)
        Readable.from([Buffer.alloc(3_000_000)], { objectMode: false }).pipe(run.stdin)
        expect(await result).toMatchObject({ stdout: '3000000\n', code: 0 })
      })

      test('pass on all output to a reader that is slow or late', async () => {
        const much = await sh(id, 'head -c 5000000 /dev/zero')
        let size = 0
        for await (const chunk of much.stdout as AsyncIterable<Buffer>) {
          size += chunk.length
          await delay(2)
        }
        expect(size).toBe(5_000_000)
        const late = await sh(id, 'head -c 200000 /dev/zero; exit 2')
        expect((await late.exit).code).toBe(2)
        await delay(600)
        expect(await textOf(late.stdout)).toHaveLength(200_000)
      })

      test('what cannot start says so in shell codes, and not in the output', async () => {
        const cases: [string[], Partial<ExecSpec>, number | undefined][] = [
          [['no-such-program'], {}, 127],
          [['/no/such'], { tty: true }, 127],
          [['/etc/passwd'], {}, 126],
          [['true'], { cwd: '/no/such' }, undefined],
          [['true'], { user: 'nobody-here' }, undefined],
        ]
        for (const [command, more, code] of cases) {
          const result = await outcome(await engine.execs.run(exec(id, command, more)))
          expect(result).toMatchObject({ stdout: '', stderr: '' })
          expect(result.failure).toBeTruthy()
          expect(result.code).toBeGreaterThanOrEqual(126)
          if (code !== undefined) expect(result.code).toBe(code)
        }
        expect(await outcome(await sh(id, 'exit 127'))).toMatchObject({ code: 127, failure: undefined })
        expect(await outcome(await sh(id, 'kill -9 $$'))).toMatchObject({ code: 137, failure: undefined })
      })

      test('have a terminal with a size and an end of input', async () => {
        const run = await sh(
          id,
          'until stty size 2>&1 | grep ^[1-9]; do sleep 0.05; done; cat >/dev/null; stty size; exit 4',
          { tty: true, width: 101, height: 33 },
        )
        const seen = collect(run.stdout)
        await expect.poll(seen).toContain('33 101')
        await run.resize(99, 22)
        run.stdin.end()
        expect(await run.exit).toEqual({ code: 4, failure: undefined })
        await expect.poll(seen).toContain('22 99')
        expect(await textOf(run.stderr)).toBe('')
      })

      test('a terminal passes the keys that detach by default', async () => {
        const run = await sh(id, 'stty raw -echo; echo ready; head -c 4 | od -An -tx1', { tty: true })
        const seen = collect(run.stdout)
        await expect.poll(seen).toContain('ready')
        run.stdin.write(Buffer.from([0x10, 0x11, 0x41, 0x42]))
        expect((await run.exit).code).toBe(0)
        await expect.poll(seen).toContain('10 11 41 42')
      })

      test('end when the process ends, whoever holds the output', async () => {
        const run = await sh(id, 'sleep 600 & echo done; exit 6')
        expect(await outcome(run)).toMatchObject({ stdout: 'done\n', code: 6 })
        await run.signal('KILL')
      })

      test('do not end when only the output is closed', async () => {
        const run = await sh(id, 'exec >&- 2>&-; sleep 0.7; exit 9')
        expect((await outcome(run)).code).toBe(9)
      })

      test('are found and killed by their marker, also what they left behind', async () => {
        const spec = exec(id, ['sh', '-c', 'setsid sleep 600 & sleep 600'])
        const run = await engine.execs.run(spec)
        expect(await engine.execs.alive(id, spec.marker, '')).toBe(true)
        await run.signal('SIGKILL')
        expect((await run.exit).code).toBe(137)
        expect(await engine.execs.alive(id, spec.marker, '')).toBe(false)
        expect(await engine.execs.alive(id, randomUUID(), '')).toBe(false)
        await engine.execs.killMarked(id, spec.marker, '', 'TERM')
      })

      test('end with their signal', async () => {
        const control = new AbortController()
        const spec = exec(id, ['sleep', '600'])
        const run = await engine.execs.run(spec, control.signal)
        control.abort()
        expect(await failureOf(run.exit)).toMatchObject({ code: 'cancelled' })
        await expect.poll(() => engine.execs.alive(id, spec.marker, '')).toBe(false)
      })

      test('end with 137 when the container stops', async () => {
        const own = await started()
        const run = await sh(own, 'echo here; sleep 600')
        await engine.containers.stop(own, { stopSignal: 'SIGKILL', timeoutSeconds: 0, thenKill: true })
        expect(await outcome(run)).toMatchObject({ stdout: 'here\n', code: 137 })
        expect(await engine.execs.alive(own, randomUUID(), '')).toBe(false)
        expect(await failureOf(sh(own, 'true'))).toMatchObject({ code: 'conflict' })
      })
    })

    describe('logs, stats and events', () => {
      test('the console is kept, and its last lines can be asked for', async () => {
        const id = await started({ command: ['sh', '-c', 'echo one; echo two >&2; echo three'] })
        await engine.containers.stop(id, { stopSignal: 'SIGCONT', timeoutSeconds: 20, thenKill: true })
        expect(await textOf(await engine.containers.logs(id, { tail: -1 }))).toBe('one\r\ntwo\r\nthree\r\n')
        expect(await textOf(await engine.containers.logs(id, { tail: 1 }))).toBe('three\r\n')
        expect(await failureOf(engine.containers.logs('no-such', { tail: 1 }))).toMatchObject({ code: 'not-found' })
      })

      test('what runs uses something, what is stopped nothing', async () => {
        const id = await started()
        const stats = await engine.containers.stats(id)
        expect(stats?.cpuNanoseconds).toBeGreaterThan(0)
        expect(stats?.memoryBytes).toBeGreaterThan(0)
        expect(stats?.processes).toBeGreaterThan(0)
        await engine.containers.remove(id, { force: true })
        expect(await engine.containers.stats(id)).toBeUndefined()
        expect(await engine.containers.stats(await engine.containers.create(spec()))).toBeUndefined()
      })

      test('events come as they happen, until the signal', async () => {
        const control = new AbortController()
        const events: EngineEvent[] = []
        const connected = Promise.withResolvers<void>()
        const watching = engine.watch(
          { onEvent: (event) => events.push(event), onConnect: connected.resolve, onLost: connected.reject },
          control.signal,
        )
        await connected.promise
        const id = await started({ command: ['sh', '-c', 'exit 5'] })
        const died = () => events.find((event) => event.id === id && event.action === 'die')
        await expect.poll(died).toMatchObject({ type: 'container', exitCode: 5 })
        expect(Math.abs((died()?.at ?? 0) - Date.now())).toBeLessThan(60_000)
        control.abort()
        await watching
      })
    })
  })
}

async function textOf(stream: Readable): Promise<string> {
  return (await buffer(stream)).toString()
}

/** What a stream has said so far. */
function collect(stream: Readable): () => string {
  let seen = ''
  stream.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  return () => seen
}

interface Entry {
  name: string
  type?: 'file' | 'directory' | 'symlink' | 'link'
  mode?: number
  uid?: number
  gid?: number
  linkname?: string
  body?: string | Buffer
}

function addEntry(tar: ReturnType<typeof pack>, { body, ...header }: Entry): void {
  const pax = header.uid !== undefined && header.uid > 0o777777 ? { uid: String(header.uid) } : undefined
  tar.entry(
    { ...header, ...(pax === undefined ? {} : { pax }) },
    body === undefined ? Buffer.alloc(0) : Buffer.from(body),
  )
}

function makeTar(entries: Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const entry of entries) addEntry(tar, entry)
  tar.finalize()
  return buffer(tar)
}

/** The entries of a tar by name, without leading `./` and trailing slash. */
async function readTar(tar: Buffer): Promise<Map<string, Entry & { body: string }>> {
  const { extract } = await import('tar-stream')
  const entries = new Map<string, Entry & { body: string }>()
  const reading = extract()
  reading.end(tar)
  for await (const entry of reading) {
    const { name, type, mode, uid, gid, linkname } = entry.header
    const body = (await buffer(entry)).toString()
    const kind = type === 'directory' || type === 'symlink' || type === 'link' ? type : ('file' as const)
    const read = {
      name,
      type: kind,
      mode: (mode ?? 0) & 0o7777,
      uid: uid ?? 0,
      gid: gid ?? 0,
      body,
      linkname: linkname ?? '',
    }
    entries.set(name.replace(/^\.\//, '').replace(/\/$/, ''), read)
  }
  return entries
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const thrown = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (!isFailure(thrown)) throw thrown
  return thrown
}

async function clean(engine: Engine, project: string): Promise<void> {
  for (const one of await engine.containers.find({ project })) await engine.containers.remove(one.id, { force: true })
  for (const one of await engine.networks.list()) if (one.own?.project === project) await engine.networks.remove(one.id)
  for (const one of await engine.volumes.find({ project })) await engine.volumes.remove(one.name)
  for (const one of await engine.images.find({ project })) for (const tag of one.tags) await engine.images.untag(tag)
}
