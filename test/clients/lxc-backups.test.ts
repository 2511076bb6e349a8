/** LXD's own command line: `lxc export` and `lxc import`. */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const sh = (name: string, script: string) => lxc.ok('exec', name, '--', 'sh', '-c', script)
  const tar = (...args: string[]) => execFileSync('tar', args, { cwd: lxc.directory, encoding: 'utf8' })

  test('an instance with its snapshots goes into a file, and comes back under another name', async () => {
    await lxc.ok('launch', 'busybox', 'b1', '-c', 'user.a=b', '-c', 'limits.memory=64MiB')
    await sh('b1', 'echo old > /root/note')
    await lxc.ok('snapshot', 'b1', 's0', '--no-expiry')
    await sh('b1', 'echo new > /root/note; ln /root/note /root/same; chown 1000:1001 /root/note')
    expect(await lxc.ok('export', 'b1', 'b1.tar.gz')).toContain('Backup exported successfully!')
    expect(await lxc.ok('query', '/1.0/instances/b1/backups')).toBe('[]\n\n')
    expect(await lxc.rows('list', '-c', 'ns', 'b1')).toEqual(['b1,RUNNING'])
    const names = tar('tzf', 'b1.tar.gz').split('\n')
    expect(names[0]).toBe('backup/index.yaml')
    expect(names).toContain('backup/container/rootfs/root/note')
    expect(names).toContain('backup/snapshots/s0/rootfs/root/note')

    await lxc.ok('import', 'b1.tar.gz', 'b2')
    expect(await lxc.rows('list', '-c', 'nsS,user.a,limits.memory', 'b2')).toEqual(['b2,STOPPED,1,b,64MiB'])
    await lxc.ok('start', 'b2')
    expect(await sh('b2', 'cat /root/note; stat -c "%u:%g %h" /root/note')).toBe('new\n1000:1001 2\n')
    await lxc.ok('restore', 'b2', 's0')
    expect(await sh('b2', 'cat /root/note; ls /root')).toBe('old\nnote\n')
    expect(await lxc.fails('import', 'b1.tar.gz')).toBe(
      'Create instance from backup: Cannot restore volume, already exists on target',
    )
    await lxc.ok('delete', '-f', 'b1')
    await lxc.ok('import', 'b1.tar.gz')
    expect(await lxc.rows('list', '-c', 'nsS', 'b1')).toEqual(['b1,STOPPED,1'])
  })

  test.each(['none', 'zstd', 'xz', 'gzip'])('a backup without snapshots, packed by %s', async (compression) => {
    await lxc.ok('export', 'b1', 'only', '--instance-only', '--compression', compression, '--optimized-storage')
    await lxc.ok('import', 'only', `b-${compression}`)
    expect(await lxc.rows('list', '-c', 'nsS', `b-${compression}`)).toEqual([`b-${compression},STOPPED,0`])
  })

  test('what is no backup is refused', async () => {
    await writeFile(join(lxc.directory, 'hello.txt'), 'hello world\n')
    expect(await lxc.fails('import', 'hello.txt', 'b9')).toBe('Unsupported compression')
    tar('cf', 'other.tar', 'hello.txt')
    expect(await lxc.fails('import', 'other.tar', 'b9')).toContain('Backup is missing index.yaml')
    expect(await lxc.fails('import', 'b1.tar.gz', 'b9', '-s', 'fast')).toBe('Storage pool not found')
    expect(await lxc.fails('export', 'nosuch')).toContain('Instance not found')
    expect(await lxc.fails('export', 'b1', 'x', '--compression', 'rm -rf /')).toContain(
      'Unsupported compression algorithm "rm -rf /"',
    )
  })

  test('backups that were not taken away are shown', async () => {
    const operation = await lxc.windlass.operate('POST', '/1.0/instances/b1/backups', {
      expires_at: '2040-01-01T00:00:00Z',
    })
    expect(operation.resources).toMatchObject({ backups: ['/1.0/backups/backup0'] })
    expect(await lxc.ok('info', 'b1')).toMatch(/Backups:[^]*backup0 .*2040/)
  })
})
