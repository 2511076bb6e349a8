import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type EngineKit, failureOf, NO_LIMITS, unique } from './engine-kit.ts'

/** What a container port must do. */
export function containerCases(kit: EngineKit): void {
  describe('containers', () => {
    test('are created from a spec with all that it says', async () => {
      const own = kit.labels('instance')
      const wanted = kit.spec({
        labels: own,
        environment: { A: '1', B: 'x=y z' },
        limits: { ...NO_LIMITS, cpuQuota: 50_000, memoryBytes: 64 << 20, swapBytes: 0, processes: 100 },
        stopSignal: 'SIGUSR1',
      })
      const id = await kit.engine.containers.create(wanted)
      const detail = await kit.engine.containers.inspect(wanted.name)
      expect(detail).toMatchObject({ id, name: wanted.name, status: 'created', own, hostname: 'c1', tty: true })
      expect(detail).toMatchObject({ command: ['sleep', '1000'], stopSignal: 'SIGUSR1', privileged: false })
      expect(detail?.environment).toMatchObject({ A: '1', B: 'x=y z' })
      expect(detail?.hostNamespaces).toEqual([])
      expect(detail?.addedCapabilities).toEqual([])
      expect((await kit.engine.containers.find({ uuid: own.uuid })).map((one) => one.id)).toEqual([id])
      expect((await kit.engine.containers.list()).find((one) => one.id === id)).toMatchObject({
        name: wanted.name,
        own,
      })
      expect(await kit.engine.containers.find({ uuid: randomUUID() })).toEqual([])
    })

    test('of another deployment are not ours', async () => {
      const id = await kit.engine.containers.create(
        kit.spec({ labels: kit.labels('instance', { deployment: 'other' }) }),
      )
      expect((await kit.engine.containers.inspect(id))?.own).toBeUndefined()
      await kit.engine.containers.remove(id, { force: true })
    })

    test('made by others from an image of ours are not ours', async () => {
      const id = await kit.engine.containers.create(kit.spec())
      const image = await kit.engine.images.commit(id, {
        labels: kit.labels('snapshot'),
        tag: `windlass-test/${unique()}:1`,
      })
      expect((await kit.engine.images.inspect(image))?.own?.role).toBe('snapshot')
      expect((await kit.engine.containers.inspect(id))?.own?.role).toBe('instance')
    })

    test('are found by exact id or name only', async () => {
      const id = await kit.engine.containers.create(kit.spec())
      expect((await kit.engine.containers.inspect(id))?.id).toBe(id)
      expect(await kit.engine.containers.inspect(id.slice(0, 12))).toBeUndefined()
      expect(await kit.engine.containers.inspect('no-such-container')).toBeUndefined()
      expect(await kit.engine.containers.inspect('../images/json')).toBeUndefined()
    })

    test('a taken name is a conflict that names its holder', async () => {
      const first = kit.spec()
      const id = await kit.engine.containers.create(first)
      const failure = await failureOf(kit.engine.containers.create(kit.spec({ name: first.name })))
      expect(failure).toMatchObject({ code: 'conflict' })
      expect(failure.message).toContain(id.slice(0, 12))
      const other = await kit.engine.containers.create(kit.spec())
      expect(await failureOf(kit.engine.containers.rename(other, first.name))).toMatchObject({ code: 'conflict' })
    })

    test('start, pause, unpause, rename, stop and remove may be repeated', async () => {
      const id = await kit.started()
      await kit.engine.containers.start(id)
      expect((await kit.engine.containers.inspect(id))?.status).toBe('running')
      await kit.engine.containers.pause(id)
      await kit.engine.containers.pause(id)
      expect((await kit.engine.containers.inspect(id))?.status).toBe('paused')
      await kit.engine.containers.unpause(id)
      await kit.engine.containers.unpause(id)
      const name = unique()
      await kit.engine.containers.rename(id, name)
      await kit.engine.containers.rename(id, name)
      const now = { stopSignal: 'SIGTERM', timeoutSeconds: 0, thenKill: true }
      expect(await kit.engine.containers.stop(id, now)).toBe('stopped')
      expect(await kit.engine.containers.stop(id, now)).toBe('stopped')
      await kit.engine.containers.kill(id, 'SIGKILL')
      expect(await kit.engine.containers.inspect(name)).toMatchObject({ status: 'exited', exitCode: 137 })
      await kit.engine.containers.remove(id, { force: false })
      await kit.engine.containers.remove(id, { force: false })
      expect(await kit.engine.containers.inspect(id)).toBeUndefined()
    })

    test('stop sends the signal, also one with a plus, and waits for it', async () => {
      const id = await kit.started()
      await kit.engine.containers.stop(id, { stopSignal: 'SIGRTMIN+3', timeoutSeconds: 20, thenKill: false })
      // 128 and the signal's number, which is 37.
      expect((await kit.engine.containers.inspect(id))?.exitCode).toBe(165)
    })

    test('stop wakes a paused one, and says so where it still runs', async () => {
      const id = await kit.started({ command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'] })
      await kit.engine.containers.pause(id)
      const patient = { stopSignal: 'SIGTERM', timeoutSeconds: 0.2, thenKill: false }
      expect(await kit.engine.containers.stop(id, patient)).toBe('running')
      expect((await kit.engine.containers.inspect(id))?.status).toBe('running')
      expect(await kit.engine.containers.stop(id, { ...patient, thenKill: true })).toBe('stopped')
      expect((await kit.engine.containers.inspect(id))?.status).toBe('exited')
    })

    test('what is missing is not-found, a signal to what is stopped a conflict', async () => {
      expect(await failureOf(kit.engine.containers.start('no-such-container'))).toMatchObject({ code: 'not-found' })
      const id = await kit.engine.containers.create(kit.spec())
      expect(await failureOf(kit.engine.containers.kill(id, 'SIGHUP'))).toMatchObject({ code: 'conflict' })
      expect(await failureOf(kit.engine.containers.create(kit.spec({ image: 'no/such:image' })))).toMatchObject({
        code: 'not-found',
      })
    })

    test('limits change while it runs, and are taken back', async () => {
      const id = await kit.started()
      const read = 'cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes'
      const limit = async () => Number((await kit.sh(id, `(${read}) 2>/dev/null`)).trim())
      const some = { ...NO_LIMITS, cpuQuota: 20_000, memoryBytes: 64 << 20, processes: 50 }
      await kit.engine.containers.updateLimits(id, some)
      expect(await limit()).toBe(64 << 20)
      await kit.engine.containers.updateLimits(id, NO_LIMITS)
      const { memoryBytes } = await kit.engine.info()
      expect(Math.abs((await limit()) - memoryBytes)).toBeLessThan(65_536)
      await kit.engine.containers.updateLimits(id, { ...NO_LIMITS, memoryBytes: 32 << 20, swapBytes: -1 })
      expect(await limit()).toBe(32 << 20)
      await kit.engine.containers.remove(id, { force: true })
    })

    test('an init of busybox is pid 1 and ends itself', async () => {
      const id = await kit.started({ boot: 'busybox', command: ['busybox', 'init'] })
      await expect.poll(() => kit.sh(id, 'cat /proc/1/cmdline')).toContain('init')
      // What `halt` does: the init shuts down, which the engine sees as an interrupt.
      const stop = { stopSignal: 'SIGUSR1', timeoutSeconds: 20, thenKill: false }
      expect(await kit.engine.containers.stop(id, stop)).toBe('stopped')
      expect((await kit.engine.containers.inspect(id))?.exitCode).toBe(130)
    })

    test('a systemd finds places to write to, and a control group of its own', async () => {
      const script = `
        own=$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir "/sys/fs/cgroup$own/sub" && rmdir "/sys/fs/cgroup$own/sub" || exit 1
        mkdir /sys/fs/cgroup/elsewhere && exit 2
        touch /run/lock/a || exit 3
        printf '#!/bin/sh\nexit 42' >/tmp/a && chmod +x /tmp/a && exec /tmp/a
      `
      const id = await kit.started({ boot: 'systemd', command: ['sh', '-c', script] })
      await kit.engine.containers.stop(id, { stopSignal: 'SIGCONT', timeoutSeconds: 20, thenKill: false })
      expect((await kit.engine.containers.inspect(id))?.exitCode).toBe(42)
      await kit.engine.containers.remove(id, { force: true })
    })

    test('a kill that is broken off was not sent, or is over', async () => {
      const id = await kit.started({ command: ['sleep', 'infinity'] })
      const { containers } = kit.engine
      for (let ms = 0; ms < 25; ms++) {
        const signal = AbortSignal.timeout(ms)
        const kill = { stopSignal: 'SIGKILL', timeoutSeconds: 0, thenKill: true }
        const ended = await containers.stop(id, kill, signal).catch((thrown: unknown) => thrown)
        const { status } = (await containers.inspect(id)) ?? {}
        await containers.start(id)
        // Only after it, the engine has done what came before.
        await kit.sh(id, 'sleep 0.02')
        expect((await containers.inspect(id))?.status, `broken off after ${ms} ms`).toBe('running')
        if (ended === 'stopped') expect(status).toBe('exited')
        else expect(ended).toMatchObject({ code: 'cancelled' })
      }
      await containers.remove(id, { force: true })
    })

    test('a call ends when its signal comes', async () => {
      const id = await kit.started({ command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'] })
      const control = new AbortController()
      const forever = { stopSignal: 'SIGTERM', timeoutSeconds: -1, thenKill: false }
      const stopping = failureOf(kit.engine.containers.stop(id, forever, control.signal))
      setTimeout(() => control.abort(), 50)
      expect(await stopping).toMatchObject({ code: 'cancelled' })
      await kit.engine.containers.remove(id, { force: true })
    })
  })
}
