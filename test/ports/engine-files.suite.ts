import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { EngineEvent } from '../../src/core/engine.ts'
import { collect, type EngineKit, failureOf, textOf } from './engine-kit.ts'
import { makeTar, readTar } from './tar-samples.ts'

/** What files, logs, stats and events must do. */
export function fileCases(kit: EngineKit): void {
  describe('files', () => {
    test('are seen, read and written while it is stopped', async () => {
      const id = await kit.engine.containers.create(kit.spec())
      const { containers } = kit.engine
      expect(await containers.stat(id, '/etc')).toMatchObject({ name: 'etc', type: 'directory', mode: 0o755 })
      expect(await containers.stat(id, '/bin/sh')).toMatchObject({ type: 'symlink' })
      expect(await containers.stat(id, '/tmp')).toMatchObject({ mode: 0o1777 })
      expect(await containers.stat(id, '/no/such')).toBeUndefined()
      expect(await containers.stat(id, '/etc/passwd/below')).toBeUndefined()
      expect(await failureOf(containers.stat('no-such', '/'))).toMatchObject({ code: 'not-found' })
      const body = Buffer.alloc(300_000, 'wind')
      const tar = await makeTar({ name: 'BZh-like', body, mode: 0o4711, uid: 5, gid: 6 }, { name: 'none', body: '' })
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
      const id = await kit.engine.containers.create(kit.spec())
      const magics = ['1f8b0800', 'fd377a585a00', '28b52ffd', '425a6839']
      for (const magic of magics) {
        const body = Buffer.concat([Buffer.from(magic, 'hex'), Buffer.alloc(2000)])
        const write = kit.engine.containers.writeTar(id, '/', Readable.from([body], { objectMode: false }))
        expect(await failureOf(write)).toMatchObject({ code: 'bad-request' })
      }
      const nowhere = kit.engine.containers.writeTar(id, '/no/such', Readable.from([await makeTar()]))
      expect(await failureOf(nowhere)).toMatchObject({ code: 'not-found' })
      const dropped = new Readable({ read: () => undefined })
      const writing = failureOf(kit.engine.containers.writeTar(id, '/', dropped))
      dropped.push((await makeTar({ name: 'a', body: 'x'.repeat(9999) })).subarray(0, 2048))
      setTimeout(() => dropped.destroy(), 20)
      await writing
      expect((await kit.engine.containers.inspect(id))?.id).toBe(id)
    })
  })

  describe('logs, stats and events', () => {
    test('the console is kept, and its last lines can be asked for', async () => {
      const id = await kit.started({ command: ['sh', '-c', 'echo one; echo two >&2; echo three'] })
      await kit.engine.containers.stop(id, { stopSignal: 'SIGCONT', timeoutSeconds: 20, thenKill: true })
      expect(await textOf(await kit.engine.containers.logs(id, { tail: -1 }))).toBe('one\r\ntwo\r\nthree\r\n')
      expect(await textOf(await kit.engine.containers.logs(id, { tail: 1 }))).toBe('three\r\n')
      expect(await failureOf(kit.engine.containers.logs('no-such', { tail: 1 }))).toMatchObject({ code: 'not-found' })
    })

    test('the terminal is joined by many, in its size, and let go of; its log can begin anywhere', async () => {
      const id = await kit.started({ command: ['sh'] })
      const { containers } = kit.engine
      const [one, other] = [await containers.attach(id), await containers.attach(id)]
      const seen = [collect(one.output), collect(other.output)] as const
      await one.resize(91, 31)
      one.input.write('stty size; echo by""e\n')
      for (const all of seen) await expect.poll(all).toContain('31 91\r\nbye\r\n')
      one.detach()
      const since = await containers.logEnd(id)
      expect(await textOf(await containers.logs(id, { tail: -1, since }))).toBe('')
      other.input.write('echo lat""er\n')
      await expect.poll(seen[1]).toContain('later\r\n')
      await expect.poll(async () => textOf(await containers.logs(id, { tail: -1, since }))).toContain('later\r\n')
      expect(await textOf(await containers.logs(id, { tail: -1, since }))).not.toContain('bye\r\n')
      const ended = once(other.output, 'end')
      await containers.stop(id, { stopSignal: 'SIGKILL', timeoutSeconds: 0, thenKill: true })
      await ended
      expect(await failureOf(containers.attach('no-such'))).toMatchObject({ code: 'not-found' })
      expect(await containers.logEnd(await containers.create(kit.spec()))).toBe('')
    })

    test('what runs uses something, what is stopped nothing', async () => {
      const id = await kit.started()
      const stats = await kit.engine.containers.stats(id)
      expect(stats?.cpuNanoseconds).toBeGreaterThan(0)
      expect(stats?.memoryBytes).toBeGreaterThan(0)
      expect(stats?.processes).toBeGreaterThan(0)
      await kit.engine.containers.remove(id, { force: true })
      expect(await kit.engine.containers.stats(id)).toBeUndefined()
      expect(await kit.engine.containers.stats(await kit.engine.containers.create(kit.spec()))).toBeUndefined()
    })

    test('events come as they happen, until the signal', async () => {
      const control = new AbortController()
      const events: EngineEvent[] = []
      const connected = Promise.withResolvers<void>()
      const watching = kit.engine.watch(
        { onEvent: (event) => events.push(event), onConnect: connected.resolve, onLost: connected.reject },
        control.signal,
      )
      await connected.promise
      const id = await kit.started({ command: ['sh', '-c', 'exit 5'] })
      const died = () => events.find((event) => event.id === id && event.action === 'die')
      await expect.poll(died).toMatchObject({ type: 'container', exitCode: 5 })
      expect(Math.abs((died()?.at ?? 0) - Date.now())).toBeLessThan(60_000)
      control.abort()
      await watching
    })
  })
}
