/** LXD's own command line: snapshots of custom volumes, copies and backups. */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc storage volume', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('init', 'busybox', 'c1')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const volume = (...words: string[]) => lxc.ok('storage', 'volume', ...words)
  const names = () => lxc.rows('storage', 'volume', 'list', 'default', 'type=custom', '-c', 'tn')

  /** While the stopped instance has the volume at /mnt. */
  async function within<T>(name: string, work: () => Promise<T>): Promise<T> {
    await volume('attach', 'default', name, 'c1', '/mnt')
    try {
      return await work()
    } finally {
      await volume('detach', 'default', name, 'c1')
    }
  }
  const write = (name: string, text: string, file = 'note') =>
    within(name, () => lxc.feed(text, 'file', 'push', '-', `c1/mnt/${file}`))
  const read = (name: string) => within(name, () => lxc.ok('file', 'pull', 'c1/mnt/note', '-'))

  test('a snapshot is taken, shown, edited, renamed, restored and deleted', async () => {
    await volume('create', 'default', 'v1')
    await write('v1', 'old')
    await volume('snapshot', 'default', 'v1', 's0')
    await volume('snapshot', 'default', 'v1')
    expect(await lxc.fails('storage', 'volume', 'snapshot', 'default', 'v1', 's0')).toBe('Snapshot "s0" already in use')
    await volume('snapshot', 'default', 'v1', 's0', '--reuse', '--no-expiry')
    await write('v1', 'new')
    await write('v1', '', 'more')
    expect(await names()).toEqual(['custom (snapshot),v1/s0', 'custom (snapshot),v1/snap0', 'custom,v1'])
    await lxc.feed(
      'description: edited\nexpires_at: 2040-01-01T00:00:00Z\n',
      'storage',
      'volume',
      'edit',
      'default',
      'v1/s0',
    )
    expect(await volume('show', 'default', 'v1/s0')).toMatch(
      /^description: edited\nexpires_at: 2040-01-01T00:00:00Z\nname: s0\nconfig: \{\}\ncontent_type: filesystem\n/,
    )
    expect(await volume('rename', 'default', 'v1/s0', 'v1/s1')).toContain('Renamed storage volume from "v1/s0" to "s1"')
    await volume('restore', 'default', 'v1', 's1')
    expect(await read('v1')).toBe('old')
    expect(await within('v1', () => lxc.fails('file', 'pull', 'c1/mnt/more', '-'))).toBe('Not Found')
    expect(await lxc.fails('storage', 'volume', 'restore', 'default', 'v1', 'no')).toBe(
      'Storage volume snapshot not found',
    )
    await volume('delete', 'default', 'v1/snap0')
    expect(await names()).toEqual(['custom (snapshot),v1/s1', 'custom,v1'])
  })

  test('a project shares the volumes of default', async () => {
    const shared = ['features.images', 'features.profiles', 'features.storage.volumes'].flatMap((key) => [
      '-c',
      `${key}=false`,
    ])
    await lxc.ok('project', 'create', 'vols', ...shared)
    await volume('create', 'default', 'ours', '--project', 'vols')
    await lxc.ok('init', 'busybox', 'c2', '--project', 'vols')
    await volume('attach', 'default', 'ours', 'c2', '/mnt', '--project', 'vols')
    expect(await volume('show', 'default', 'ours')).toContain('- /1.0/instances/c2?project=vols')
    await volume('snapshot', 'default', 'ours', 's0', '--project', 'vols')
    await volume('copy', 'default/ours', 'default/copied', '--project', 'vols')
    expect(await volume('info', 'default', 'copied')).toContain('Name: copied')
    await lxc.ok('delete', 'c2', '--project', 'vols')
    await volume('delete', 'default', 'copied', '--project', 'vols')
    await volume('delete', 'default', 'ours')
    await lxc.ok('project', 'delete', 'vols')
  })

  test('a volume is copied with its snapshots, without them, and from one of them', async () => {
    await write('v1', 'newest')
    await volume('copy', 'default/v1', 'default/v2')
    await volume('copy', 'default/v1', 'default/v3', '--volume-only')
    await volume('copy', 'default/v1/s1', 'default/v4')
    expect(await names()).toEqual([
      'custom (snapshot),v1/s1',
      'custom (snapshot),v2/s1',
      'custom,v1',
      'custom,v2',
      'custom,v3',
      'custom,v4',
    ])
    expect([await read('v2'), await read('v4')]).toEqual(['newest', 'old'])
    await volume('snapshot', 'default', 'v4', 'own')
    expect(await volume('copy', 'default/v2', 'default/v4', '--refresh')).toContain('copied successfully')
    expect(await names()).toContain('custom (snapshot),v4/s1')
    expect(await names()).not.toContain('custom (snapshot),v4/own')
    expect(await read('v4')).toBe('newest')
    await volume('move', 'default/v4', 'default/v5')
    expect([await read('v5'), await names()]).toEqual(['newest', expect.not.arrayContaining(['custom,v4'])])
    for (const name of ['v2', 'v3', 'v5']) await volume('delete', 'default', name)
    expect(await names()).toEqual(['custom (snapshot),v1/s1', 'custom,v1'])
  })

  test('a volume goes into a file with its snapshots, and comes back under another name', async () => {
    expect(await volume('export', 'default', 'v1', 'v1.tar.gz')).toContain('Backup exported successfully!')
    expect(await lxc.ok('query', '/1.0/storage-pools/default/volumes/custom/v1/backups')).toBe('[]\n\n')
    const listed = execFileSync('tar', ['tzf', 'v1.tar.gz'], { cwd: lxc.directory, encoding: 'utf8' }).split('\n')
    expect(listed[0]).toBe('backup/index.yaml')
    expect(listed).toEqual(expect.arrayContaining(['backup/volume-snapshots/s1/note', 'backup/volume/note']))
    await volume('import', 'default', 'v1.tar.gz', 'v5')
    expect(await read('v5')).toBe('newest')
    await volume('restore', 'default', 'v5', 's1')
    expect(await read('v5')).toBe('old')
    expect(await lxc.fails('storage', 'volume', 'import', 'default', 'v1.tar.gz')).toBe(
      'Volume by that name already exists',
    )
    await volume('delete', 'default', 'v1')
    await volume('import', 'default', 'v1.tar.gz')
    expect(await names()).toEqual(['custom (snapshot),v1/s1', 'custom (snapshot),v5/s1', 'custom,v1', 'custom,v5'])
    await volume('export', 'default', 'v1', 'only', '--volume-only', '--compression', 'none')
    await volume('import', 'default', 'only', 'v6')
    expect(await names()).not.toContain('custom (snapshot),v6/s1')
    await writeFile(join(lxc.directory, 'hello.txt'), 'hello world\n')
    expect(await lxc.fails('storage', 'volume', 'import', 'default', 'hello.txt', 'v9')).toBe('Unsupported compression')
  })

  test('what a volume takes, its snapshots and its backups are shown', async () => {
    await lxc.windlass.operate('POST', '/1.0/storage-pools/default/volumes/custom/v1/backups', {
      expires_at: '2040-01-01T00:00:00Z',
    })
    const shown = await volume('info', 'default', 'v1')
    expect(shown).toMatch(/^Name: v1\nType: custom\nContent type: filesystem\nUsage: [1-9][0-9.]*\w+\n/)
    expect(shown).toMatch(/Snapshots:[^]*\| s1 [^]*Backups:[^]*\| backup0 /)
  })

  test('what the root disk of an instance takes, and its snapshots', async () => {
    await lxc.ok('init', 'busybox', 'c2', '-d', 'root,size=1GiB')
    const usage = async () =>
      Number(/^Usage: ([0-9.]+)MiB\nTotal: 1\.00GiB$/m.exec(await volume('info', 'default', 'container/c2'))?.[1] ?? 0)
    await lxc.feed('x'.repeat(2 * 1024 * 1024), 'file', 'push', '-', 'c2/root/large')
    expect(await usage()).toBeGreaterThanOrEqual(2)
    await lxc.ok('snapshot', 'c2')
    const shown = await volume('info', 'default', 'container/c2')
    expect(shown).toMatch(/^Name: c2\nType: container\nContent type: filesystem\n/)
    expect(shown).toMatch(/Snapshots:[^]*\| snap0 /)
    expect(await lxc.fails('storage', 'volume', 'info', 'default', 'container/no')).toBe(
      'Storage pool volume not found',
    )
    await lxc.ok('delete', 'c2')
  })
})
