/** Devices of the host by LXD's own command line, on a real engine with the machine's own nodes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askEngine } from '../support/ask-engine.ts'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('devices of the host', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('launch', 'busybox', 'd1')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const sh = (name: string, script: string) => lxc.ok('exec', name, '--', 'sh', '-c', script)
  const device = (...words: string[]) => lxc.ok('config', 'device', ...words)
  const refused = (...words: string[]) => lxc.fails('config', 'device', 'add', 'd1', ...words)
  /** What a node is, by the numbers that the kernel knows it by. */
  const node = (name: string, path: string) => sh(name, `stat -c '%F %t:%T' ${path}`)

  test('a node comes under another path, with files and address kept, and goes again', async () => {
    await sh('d1', 'echo kept >/kept')
    const address = await lxc.rows('list', '-c', '4', 'd1')
    await device('add', 'd1', 'f', 'unix-char', 'source=/dev/fuse', 'path=/dev/fuse2')
    expect(await node('d1', '/dev/fuse2')).toBe('character special file a:e5\n')
    expect(await device('show', 'd1')).toBe('f:\n  path: /dev/fuse2\n  source: /dev/fuse\n  type: unix-char\n')
    await sh('d1', ': <>/dev/fuse2')
    expect([await sh('d1', 'cat /kept'), await lxc.rows('list', '-c', '4', 'd1')]).toEqual(['kept\n', address])

    await device('add', 'd1', 'z', 'unix-char', 'source=/dev/zero', 'path=/dev/zero2')
    expect(await sh('d1', 'head -c 4 /dev/zero2 | wc -c')).toBe('4\n')

    await lxc.ok('restart', 'd1', '--force')
    expect(await node('d1', '/dev/fuse2')).toContain('character')
    await lxc.ok('snapshot', 'd1', 's0')
    await lxc.ok('copy', 'd1/s0', 'd2')
    await lxc.ok('start', 'd2')
    expect(await node('d2', '/dev/zero2')).toContain('character')

    await device('remove', 'd1', 'f', 'z')
    expect(await sh('d1', 'ls /dev/fuse2 /dev/zero2 2>&1 | grep -c "No such"')).toBe('2\n')
    expect(await sh('d1', 'cat /kept')).toBe('kept\n')
    await lxc.ok('restore', 'd1', 's0')
    expect(await node('d1', '/dev/fuse2')).toContain('character')
    await device('remove', 'd1', 'f', 'z')
    await lxc.ok('delete', 'd2', '--force')
  })

  test('one is found by its numbers, too', async () => {
    await device('add', 'd1', 'n', 'unix-char', 'path=/dev/net/fuse4', 'major=10', 'minor=229')
    expect(await node('d1', '/dev/net/fuse4')).toContain('character')
    await sh('d1', ': </dev/net/fuse4')
    await device('add', 'd1', 'o', 'unix-char', 'path=/dev/o', 'major=10', 'minor=1048575', 'required=false')
    expect(await sh('d1', 'ls /dev/o 2>&1 | grep -c "No such"')).toBe('1\n')
    await device('remove', 'd1', 'n', 'o')
  })

  test('a mode says whether it may be read and written', async () => {
    await device('add', 'd1', 'r', 'unix-char', 'source=/dev/fuse', 'path=/dev/fuse3', 'mode=0444')
    await sh('d1', ': </dev/fuse3')
    expect((await lxc.run(['exec', 'd1', '--', 'sh', '-c', ': >/dev/fuse3'])).stderr).toContain('not permitted')
    await device('remove', 'd1', 'r')
  })

  test('what the host does not have is refused, or left out where it is not required', async () => {
    const before = await lxc.ok('config', 'show', 'd1')
    expect(await refused('x', 'unix-char', 'source=/dev/nosuch')).toBe(
      `Failed to start device "x": The required device path doesn't exist: "/dev/nosuch"`,
    )
    expect(await refused('x', 'unix-block', 'source=/dev/fuse')).toBe(
      'Failed to start device "x": Path specified is not a unix-block device: "/dev/fuse"',
    )
    expect(await refused('x', 'unix-block', 'path=/dev/x', 'major=10', 'minor=229')).toBe(
      'Failed to start device "x": The host of Docker Engine has no unix-block node 10:229 in /dev',
    )
    expect(await lxc.ok('config', 'show', 'd1')).toBe(before)
    expect(await sh('d1', 'cat /kept')).toBe('kept\n')
    await device('add', 'd1', 'x', 'unix-char', 'source=/dev/nosuch', 'required=false')
    expect(await sh('d1', 'ls /dev/nosuch 2>&1 | grep -c "No such"')).toBe('1\n')
    await device('remove', 'd1', 'x')
    // Whoever only looks at the host leaves nothing.
    const { text } = await askEngine(lxc.windlass.engine.socket, 'GET', '/containers/json?all=true')
    expect(JSON.parse(text)).toHaveLength(1)
  })

  test('profiles give them, restricted projects and operators do not have them', async () => {
    await lxc.ok('profile', 'create', 'fuse')
    await lxc.ok('profile', 'device', 'add', 'fuse', 'f', 'unix-char', 'path=/dev/fuse')
    await lxc.ok('profile', 'add', 'd1', 'fuse')
    expect(await node('d1', '/dev/fuse')).toContain('character')
    await lxc.ok('profile', 'remove', 'd1', 'fuse')
    await lxc.ok('project', 'create', 'tight', '-c', 'restricted=true')
    await lxc.ok('profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=default', '--project', 'tight')
    await lxc.ok('init', '--empty', 't1', '--project', 'tight')
    const add = ['config', 'device', 'add', 't1', 'f', 'unix-char', 'path=/dev/fuse', '--project', 'tight']
    expect(await lxc.fails(...add)).toContain('Unix character devices are forbidden')
    await lxc.ok('project', 'set', 'tight', 'restricted.devices.unix-char', 'allow')
    await lxc.ok(...add)
    expect(await lxc.fails('project', 'set', 'tight', 'restricted.devices.unix-char', 'block')).toContain('t1')
  })

  test('an instance that was renamed has its new name inside from its next start on', async () => {
    await lxc.ok('launch', 'busybox', 'r1')
    await sh('r1', 'echo kept >/kept')
    await lxc.ok('launch', 'busybox', 'other')
    await lxc.ok('stop', 'r1', '--force')
    await lxc.ok('rename', 'r1', 'r2')
    await lxc.ok('start', 'r2')
    expect(await sh('r2', 'hostname; cat /kept')).toBe('r2\nkept\n')
    await sh('other', 'ping -c 1 r2')
    expect(await lxc.ok('config', 'get', 'r2', 'volatile.recreate')).toBe('\n')
    await lxc.ok('delete', '--force', 'r2', 'other')
  })

  test('a GPU is refused at once where the engine has none', async () => {
    // A machine that has cards gives them.
    const has = await lxc.windlass.engine.netnsExec('sh', '-c', 'test -d /dev/dri && echo yes || echo no')
    if (has.stdout === 'yes\n') return
    expect(await refused('g', 'gpu')).toBe(
      'Failed to start device "g": Failed to detect requested GPU device: Docker Engine has no nvidia runtime, and its host no /dev/dri',
    )
    expect(await refused('g', 'gpu', 'gputype=mdev')).toContain('Only "physical" is possible')
    expect(await refused('g', 'usb')).toContain('not possible on Docker Engine')
  })
})
