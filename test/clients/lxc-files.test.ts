/** `lxc file` against real processes: what it pushes and pulls, of running and of stopped instances. */
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc file', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('launch', 'busybox', 'on')
    await lxc.ok('init', 'busybox', 'off')
    await writeFile(join(lxc.directory, 'hello.txt'), 'hello world\n')
    await chmod(join(lxc.directory, 'hello.txt'), 0o644)
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const inside = (...command: string[]) => lxc.ok('exec', 'on', '--', ...command)
  /** With the text as a file on standard input: what lxc reads of there it opens by name, which a socket does not allow. */
  const fed = async (text: string, ...words: string[]) => {
    await writeFile(local('input'), text)
    const { directory, windlass } = lxc
    const variables = { PATH: env['PATH'], HOME: directory, LXD_SOCKET: windlass.socket, LXD_CONF: directory }
    const command = ['-c', '"$0" "$@" < input', LXC ?? '', ...words]
    await promisify(execFile)('sh', command, { cwd: directory, env: variables })
  }
  const local = (...names: string[]) => join(lxc.directory, ...names)

  for (const name of ['on', 'off']) {
    test(`files come and go while it is ${name}`, async () => {
      await lxc.ok('file', 'push', 'hello.txt', `${name}/tmp/hello.txt`)
      expect(await lxc.ok('file', 'pull', `${name}/tmp/hello.txt`, '-')).toBe('hello world\n')
      await lxc.ok('file', 'push', '--mode=0600', '--uid=1000', '--gid=1001', 'hello.txt', `${name}/tmp/h2`)
      await fed('edited\n', 'file', 'edit', `${name}/tmp/h2`)
      await lxc.ok('file', 'pull', `${name}/tmp/h2`, '.')
      expect(await readFile(local('h2'), 'utf8')).toBe('edited\n')
      expect((await lstat(local('h2'))).mode & 0o7777).toBe(0o600)
      await fed('piped', 'file', 'push', '-', `${name}/tmp/piped`)
      expect(await lxc.ok('file', 'pull', `${name}/tmp/piped`, '-')).toBe('piped')
      await lxc.ok('file', 'delete', `${name}/tmp/piped`)
      expect(await lxc.fails('file', 'pull', `${name}/tmp/piped`, '-')).toBe('Not Found')
      expect(await lxc.fails('file', 'delete', `${name}/tmp/piped`)).toBe('Not Found')
    })

    test(`trees come and go while it is ${name}`, async () => {
      await mkdir(local(`tree-${name}`, 'sub'), { recursive: true, mode: 0o750 })
      await writeFile(local(`tree-${name}`, 'a.txt'), 'a')
      await writeFile(local(`tree-${name}`, 'sub', 'ünïcode name'), Buffer.alloc(3_000_000, 'x'))
      await symlink('a.txt', local(`tree-${name}`, 'link'))
      await lxc.ok('file', 'push', '-r', '-p', `tree-${name}`, `${name}/srv/deep/er`)
      await lxc.ok('file', 'push', '-r', '-p', `tree-${name}`, `${name}/srv/deep/er`)
      await mkdir(local(`back-${name}`))
      await lxc.ok('file', 'pull', '-r', `${name}/srv/deep/er/tree-${name}`, `back-${name}`)
      const back = local(`back-${name}`, `tree-${name}`)
      expect((await readdir(back, { recursive: true })).toSorted()).toEqual([
        'a.txt',
        'link',
        'sub',
        'sub/ünïcode name',
      ])
      expect((await readFile(join(back, 'sub', 'ünïcode name'))).equals(Buffer.alloc(3_000_000, 'x'))).toBe(true)
      expect(await readlink(join(back, 'link'))).toBe(`/srv/deep/er/tree-${name}/a.txt`)
      expect((await lstat(join(back, 'sub'))).mode & 0o777).toBe(0o750)
      expect(await lxc.fails('file', 'delete', `${name}/srv/deep`)).toBe(
        'sftp: "remove /srv/deep: directory not empty" (SSH_FX_FAILURE)',
      )
      await lxc.ok('file', 'delete', `${name}/srv/deep/er/tree-${name}/link`)
      expect(await lxc.ok('file', 'pull', `${name}/srv/deep/er/tree-${name}/a.txt`, '-')).toBe('a')
    })
  }

  test('links in a circle come and go as links', async () => {
    await mkdir(local('circle'))
    await symlink('self', local('circle', 'self'))
    await symlink('nowhere', local('circle', 'dangling'))
    await lxc.ok('file', 'push', '-r', '-p', 'circle', 'on/srv')
    await mkdir(local('back'))
    await lxc.ok('file', 'pull', '-r', 'on/srv/circle', 'back')
    expect(await readlink(local('back', 'circle', 'self'))).toBe('/srv/circle/self')
    expect(await readlink(local('back', 'circle', 'dangling'))).toBe('/srv/circle/nowhere')
  })

  test('what was pushed is there for those inside', async () => {
    expect(await inside('stat', '-c', '%u %g %a', '/tmp/h2')).toBe('1000 1001 600\n')
    expect(await inside('cat', '/tmp/hello.txt')).toBe('hello world\n')
    await lxc.ok('start', 'off')
    expect(await lxc.ok('exec', 'off', '--', 'cat', '/tmp/h2')).toBe('edited\n')
  })

  test('a monitor tells what is done with files', async () => {
    await using monitor = lxc.monitor('--type=lifecycle', '--format=json')
    const told = (action: string) => monitor.until((printed) => printed.includes(`"${action}"`))
    await expect
      .poll(async () => (await lxc.ok('file', 'push', 'hello.txt', 'on/tmp/told'), monitor.printed()))
      .not.toBe('')
    const line = (await told('instance-file-pushed')).split('\n')[0] ?? ''
    expect(JSON.parse(line)).toMatchObject({
      project: 'default',
      metadata: { action: 'instance-file-pushed', source: '/1.0/instances/on', context: { path: '/tmp/told' } },
    })
    await lxc.ok('file', 'pull', 'on/tmp/told', '-')
    await told('instance-file-retrieved')
    await lxc.ok('file', 'delete', 'on/tmp/told')
    await told('instance-file-deleted')
  })

  test('mistakes are refused in the words of LXD', async () => {
    expect(await lxc.fails('file', 'push', 'hello.txt', 'on/tmp/no/such')).toBe('Not Found')
    expect(await lxc.fails('file', 'pull', 'nosuch/etc/passwd', '-')).toBe('Instance not found')
    expect(await lxc.fails('file', 'push', 'hello.txt', 'on/tmp')).toContain('is a directory')
  })
})
