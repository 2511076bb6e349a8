import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ExecSpec, RunningExec } from '../../src/core/container.ts'
import { collect, type EngineKit, failureOf, textOf, unique } from './engine-kit.ts'
import { makeTar, readTar } from './tar-samples.ts'

/** What processes in containers must do. */
export function execCases(kit: EngineKit): void {
  describe('execs', () => {
    let id: string
    beforeAll(async () => {
      id = await kit.started()
    })

    test('keep output, errors and code apart', async () => {
      const run = await sh(kit, id, 'echo out; echo err >&2; echo $A; pwd; exit 3', {
        environment: { A: 'x y' },
        cwd: '/tmp',
      })
      expect(await outcome(run)).toEqual({ stdout: 'out\nx y\n/tmp\n', stderr: 'err\n', code: 3, failure: undefined })
    })

    test('get their input to its end', async () => {
      const run = await kit.engine.execs.run(exec(id, ['wc', '-c']))
      const result = outcome(run)
      Readable.from([Buffer.alloc(3_000_000)], { objectMode: false }).pipe(run.stdin)
      expect(await result).toMatchObject({ stdout: '3000000\n', code: 0 })
    })

    test('pass on all output to a reader that is slow or late', async () => {
      const much = await sh(kit, id, 'head -c 5000000 /dev/zero')
      let size = 0
      for await (const chunk of much.stdout as AsyncIterable<Buffer>) {
        size += chunk.length
        await delay(2)
      }
      expect(size).toBe(5_000_000)
      const late = await sh(kit, id, 'head -c 200000 /dev/zero; exit 2')
      expect((await late.exit).code).toBe(2)
      await delay(600)
      expect(await textOf(late.stdout)).toHaveLength(200_000)
    })

    test.each<[string, string[], Partial<ExecSpec>, number[]]>([
      ['a missing program', ['no-such-program'], {}, [127]],
      ['a missing path, with a terminal', ['/no/such'], { tty: true }, [127]],
      ['what is no program', ['/etc/passwd'], {}, [126]],
      ['a missing directory', ['true'], { cwd: '/no/such' }, [126, 127, 128]],
      ['an unknown user', ['true'], { user: 'nobody-here' }, [126]],
    ])('%s is told by the code of a shell, and not in the output', async (_, command, more, codes) => {
      const result = await outcome(await kit.engine.execs.run(exec(id, command, more)))
      expect(result).toMatchObject({ stdout: '', stderr: '' })
      expect(result.failure).toBeTruthy()
      expect(codes).toContain(result.code)
    })

    test('codes of their own are no failures to start', async () => {
      expect(await outcome(await sh(kit, id, 'exit 127'))).toMatchObject({ code: 127, failure: undefined })
      expect(await outcome(await sh(kit, id, 'kill -9 $$'))).toMatchObject({ code: 137, failure: undefined })
    })

    test('have a terminal with a size and an end of input', async () => {
      const run = await sh(
        kit,
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
      const run = await sh(kit, id, 'stty raw -echo; echo ready; head -c 4 | od -An -tx1', { tty: true })
      const seen = collect(run.stdout)
      await expect.poll(seen).toContain('ready')
      run.stdin.write(Buffer.from([0x10, 0x11, 0x41, 0x42]))
      expect((await run.exit).code).toBe(0)
      await expect.poll(seen).toContain('10 11 41 42')
    })

    test('end when the process ends, whoever holds the output', async () => {
      const run = await sh(kit, id, 'sleep 600 & echo done; exit 6')
      expect(await outcome(run)).toMatchObject({ stdout: 'done\n', code: 6 })
      await run.signal('KILL')
    })

    test('do not end when only the output is closed', async () => {
      const run = await sh(kit, id, 'exec >&- 2>&-; sleep 0.7; exit 9')
      expect((await outcome(run)).code).toBe(9)
    })

    test('are found and killed by their marker, also what they left behind', async () => {
      const wanted = exec(id, ['sh', '-c', 'setsid sleep 600 & sleep 600'])
      const run = await kit.engine.execs.run(wanted)
      expect(await kit.engine.execs.alive(id, wanted.marker, '')).toBe(true)
      await run.signal('SIGKILL')
      expect((await run.exit).code).toBe(137)
      expect(await kit.engine.execs.alive(id, wanted.marker, '')).toBe(false)
      expect(await kit.engine.execs.alive(id, randomUUID(), '')).toBe(false)
      await kit.engine.execs.killMarked(id, wanted.marker, '', 'TERM')
    })

    test('are told alone, or with all they have started before one of these goes on', async () => {
      const script = 'trap "echo told" USR1; (trap "" USR1; exec sleep 600) & while :; do sleep 0.1; done'
      const run = await sh(kit, id, script)
      const seen = collect(run.stdout)
      await expect.poll(async () => (await run.signal('10', { alone: true }), seen())).toContain('told')
      await run.signal('TERM')
      expect((await run.exit).code).toBe(143)
      const chain = await sh(kit, id, 'echo first; sleep 600; echo second')
      const said = collect(chain.stdout)
      await expect.poll(said).toBe('first\n')
      await chain.signal('KILL')
      expect((await chain.exit).code).toBe(137)
      await textOf(chain.stderr)
      expect(said()).toBe('first\n')
    })

    test('are found and killed from beside where there is no shell inside', async () => {
      const busybox = (await readTar(await kit.at.rootfs(), 'latin1')).get('bin/busybox')?.body ?? ''
      const tar = await makeTar({ name: 'busybox', body: Buffer.from(busybox, 'latin1'), mode: 0o755 })
      const tag = `windlass-test/${unique()}:bare`
      const options = { labels: kit.labels('image'), tag, command: ['/busybox', 'sleep', '1000'], environment: {} }
      const image = await kit.engine.images.importTar(Readable.from([tar]), options)
      const bare = await kit.started({ image, command: undefined })
      const wanted = exec(bare, ['/busybox', 'sleep', '600'])
      const run = await kit.engine.execs.run(wanted)
      expect(await kit.engine.execs.alive(bare, wanted.marker, '')).toBe(true)
      expect(await kit.engine.execs.alive(bare, randomUUID(), '')).toBe(false)
      await kit.engine.execs.killMarked(bare, wanted.marker, '', 'KILL')
      expect((await run.exit).code).toBe(137)
      expect(await kit.engine.containers.find({ project: kit.project, role: 'helper' })).toEqual([])
    })

    test('end with their signal', async () => {
      const control = new AbortController()
      const wanted = exec(id, ['sleep', '600'])
      const run = await kit.engine.execs.run(wanted, control.signal)
      control.abort()
      expect(await failureOf(run.exit)).toMatchObject({ code: 'cancelled' })
      await expect.poll(() => kit.engine.execs.alive(id, wanted.marker, '')).toBe(false)
    })

    test('end with 137 when the container stops', async () => {
      const own = await kit.started()
      const run = await sh(kit, own, 'echo here; sleep 600')
      await kit.engine.containers.stop(own, { stopSignal: 'SIGKILL', timeoutSeconds: 0, thenKill: true })
      expect(await outcome(run)).toMatchObject({ stdout: 'here\n', code: 137 })
      expect(await kit.engine.execs.alive(own, randomUUID(), '')).toBe(false)
      expect(await failureOf(sh(kit, own, 'true'))).toMatchObject({ code: 'conflict' })
    })
  })
}

function exec(container: string, command: string[], more: Partial<ExecSpec> = {}): ExecSpec {
  const settings = { environment: {}, user: '', cwd: '', tty: false, width: 0, height: 0, marker: randomUUID() }
  return { container, command, ...settings, ...more }
}

async function outcome(run: RunningExec) {
  const [stdout, stderr, exit] = await Promise.all([textOf(run.stdout), textOf(run.stderr), run.exit])
  return { stdout, stderr, ...exit }
}

function sh(kit: EngineKit, container: string, script: string, more?: Partial<ExecSpec>): Promise<RunningExec> {
  return kit.engine.execs.run(exec(container, ['sh', '-c', script], more))
}
