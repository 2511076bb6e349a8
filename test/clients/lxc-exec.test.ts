/** LXD's own command line running commands in instances, and at their consoles. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('launch', 'busybox', 'c1', '-c', 'environment.FROM=config')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const sh = (script: string, ...options: string[]) => lxc.run(['exec', 'c1', ...options, '--', 'sh', '-c', script])

  describe('exec', () => {
    test('keeps output and errors apart', async () => {
      expect(await sh('echo out; echo err >&2')).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' })
    })

    test.each([
      ['exit 7', 7],
      ['kill -9 $$', 137],
      ['kill -TERM $$', 143],
    ])('%s ends with %i', async (script, code) => {
      expect(await sh(script)).toMatchObject({ code, stdout: '' })
    })

    test('says what could not be run', async () => {
      expect(await lxc.run(['exec', 'c1', '--', 'nosuchcmd'])).toMatchObject({
        code: 127,
        stderr: 'Error: Command not found\n',
      })
      expect(await lxc.run(['exec', 'c1', '--', '/etc/passwd'])).toMatchObject({
        code: 126,
        stderr: 'Error: Command not executable\n',
      })
      expect(await lxc.run(['exec', 'c1', '--cwd', '/no/such', '--', 'true'])).toMatchObject({
        stderr: 'Error: There is no such working directory\n',
      })
    })

    test('hands over what is on standard input, and its end', async () => {
      expect(await lxc.feed('three\nlines\nhere\n', 'exec', 'c1', '--', 'wc', '-l')).toBe('3\n')
      expect(await lxc.feed('not this', 'exec', 'c1', '-n', '--', 'cat')).toBe('')
      expect(await lxc.feed('', 'exec', 'c1', '--', 'cat')).toBe('')
    })

    test('carries bytes both ways as they are', async () => {
      const sent = randomBytes(5_000_000)
      const child = lxc.start('exec', 'c1', '--', 'cat')
      const received = buffer(child.stdout ?? Readable.from([]))
      child.stdin?.end(sent)
      const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
      expect(digest(await received)).toBe(digest(sent))
    })

    test('runs as whom, where and with what it is told', async () => {
      const told = ['--env', 'A=1', '--env', 'B=two words', '--user', '1000', '--group', '100', '--cwd', '/tmp']
      expect((await sh('id -u; id -g; pwd; echo "$A|$B|$FROM|$USER"', ...told)).stdout).toBe(
        '1000\n100\n/tmp\n1|two words|config|\n',
      )
      expect((await sh('pwd; echo "$HOME|$USER|$LANG"; tty')).stdout).toBe('/root\n/root|root|C.UTF-8\nnot a tty\n')
    })

    test('forwards signals and goes on waiting', async () => {
      const child = lxc.start(
        'exec',
        'c1',
        '--',
        'sh',
        '-c',
        'trap "echo got it; exit 5" INT; echo ready; while :; do sleep 0.1; done',
      )
      let said = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said === 'ready\n') child.kill('SIGINT')
      })
      expect(await once(child, 'close')).toEqual([5, null])
      expect(said).toBe('ready\ngot it\n')
    })

    test('a process whose client was killed is ended', async () => {
      const child = lxc.start('exec', 'c1', '--', 'sh', '-c', 'echo ready; exec sleep 4321')
      await once(child.stdout ?? child, 'data')
      child.kill('SIGKILL')
      await expect.poll(async () => (await sh('ps -o args | grep "^sleep 4321"')).stdout, { timeout: 10_000 }).toBe('')
    })

    test('an instance that stops takes the command with it', async () => {
      await lxc.ok('launch', 'busybox', 'c2')
      const child = lxc.start('exec', 'c2', '--', 'sh', '-c', 'echo ready; exec sleep 1000')
      await once(child.stdout ?? child, 'data')
      const ended = once(child, 'close')
      await lxc.ok('stop', '--force', 'c2')
      expect(await ended).toEqual([137, null])
      expect(await lxc.fails('exec', 'c2', '--', 'true')).toBe('Instance is not running')
      await lxc.ok('delete', 'c2')
    })

    test('shows as an operation while it runs, which can be cancelled', async () => {
      const child = lxc.start('exec', 'c1', '--', 'sh', '-c', 'echo ready; exec sleep 1000')
      await once(child.stdout ?? child, 'data')
      const ended = once(child, 'close')
      const rows = await lxc.rows('operation', 'list')
      const row = rows.find((one) => /^[0-9a-f-]{36},WEBSOCKET,Executing command,RUNNING,YES,/.test(one))
      await lxc.ok('operation', 'delete', row?.slice(0, 36) ?? '')
      expect(await ended).toEqual([1, null])
    })
  })

  describe('at a terminal', () => {
    test('a shell has a terminal of that size, and ends with its code', async () => {
      await using at = lxc.terminal('exec', 'c1', '--', 'sh')
      await at.until((seen) => seen.includes('# '))
      at.type('stty size; tty; echo "<$TERM>"\n')
      await at.until((seen) => /40 100\r\n\/dev\/pts\/\d+\r\n/.test(seen))
      at.type("echo run''ning; sleep 1000\n")
      await at.until((seen) => seen.includes('running\r\n'))
      at.type('\u0003')
      at.type('echo "code $?"\n')
      await at.until((seen) => seen.includes('code 130\r\n'))
      at.type('exit 3\n')
      expect(await at.code).toBe(3)
    })

    test('lxc shell logs in', async () => {
      await using at = lxc.terminal('shell', 'c1')
      await at.until((seen) => seen.includes('# '))
      at.type('id -u; pwd\n')
      await at.until((seen) => seen.includes('0\r\n/root\r\n'))
      at.type('exit\n')
      expect(await at.code).toBe(0)
    })

    test('a terminal can be had without one', async () => {
      expect(await lxc.run(['exec', 'c1', '-t', '--', 'sh', '-c', 'tty; exit 4'])).toMatchObject({
        code: 4,
        stdout: expect.stringMatching(/^\/dev\/pts\/\d+\r\n$/),
      })
      await using at = lxc.terminal('exec', 'c1', '-T', '--', 'sh', '-c', 'tty')
      await at.until((seen) => seen.includes('not a tty'))
      expect(await at.code).toBe(1)
    })
  })

  describe('console', () => {
    test('is joined, typed at and left, again and again', async () => {
      for (const word of ['one', 'two']) {
        await using at = lxc.terminal('console', 'c1')
        await at.until((seen) => seen.includes('To detach from the console, press: <ctrl>+a q'))
        at.type(`echo ${word}''s; stty size\n`)
        await at.until((seen) => seen.includes(`${word}s\r\n40 100\r\n`))
        at.type('\u0001')
        // The client knows the two keys only when it reads them apart.
        await delay(200)
        at.type('q')
        expect(await at.code).toBe(0)
      }
      expect(await lxc.rows('list', '-c', 'ns', 'c1')).toEqual(['c1,RUNNING'])
    })

    test('its log is shown and cleared', async () => {
      expect(await lxc.ok('console', 'c1', '--show-log')).toMatch(/^\nConsole log:\n\n[^]*ones\r\n[^]*twos\r\n/)
      await lxc.ok('query', '-X', 'DELETE', '/1.0/instances/c1/console')
      expect(await lxc.ok('console', 'c1', '--show-log')).not.toContain('twos')
    })
  })
})
