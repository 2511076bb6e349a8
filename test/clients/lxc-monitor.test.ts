/** `lxc monitor` in all its forms, and what it tells of everything that is done. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { LXC, startLxc, type LxcOnWindlass, type Monitor } from '../support/lxc.ts'

const run = promisify(execFile)
/** Docker's own client; undefined where the machine has none. */
const DOCKER = await run('docker', ['--version']).then(
  () => 'docker',
  () => undefined,
)

interface Told {
  type: string
  project: string
  location: string
  metadata: {
    action?: string
    source?: string
    context?: unknown
    requestor?: unknown
    status?: string
    level?: string
  }
}

describe.skipIf(LXC === undefined)('lxc monitor', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('init', 'busybox', 'c0')
    await lxc.ok('project', 'create', 'far')
    await lxc.ok('profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=default', '--project', 'far')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const poke = (...words: string[]) => lxc.ok('query', '-X', 'PATCH', '-d', '{}', '/1.0/instances/c0', ...words)

  /** What happened before its socket was open it is not told: something happens until it is told of it. */
  async function listening(monitor: Monitor, act: () => Promise<unknown> = poke): Promise<Monitor> {
    while (monitor.printed() === '') await act()
    return monitor
  }

  const events = (printed: string): Told[] =>
    printed.split('\n').flatMap((line): Told[] => (line.endsWith('}') ? [JSON.parse(line)] : []))

  test('tells what it is asked for, in the form it is asked for', async () => {
    await using all = await listening(lxc.monitor())
    await using lifecycle = await listening(lxc.monitor('--type=lifecycle'))
    await using operations = await listening(lxc.monitor('--type=operation', '--format', 'json'))
    await using both = await listening(lxc.monitor('--type=operation', '--type=lifecycle', '--format=json'))
    await using pretty = await listening(lxc.monitor('--pretty', '--type=operation', '--type=lifecycle'))
    await using formatted = await listening(lxc.monitor('--format=pretty'))
    await lxc.ok('rename', 'c0', 'c1')
    await lxc.ok('rename', 'c1', 'c0')
    const last = 'old_name'
    expect(await lifecycle.until((text) => text.includes(last))).toMatch(
      /^location: none\nmetadata:\n {2}action: instance-renamed\n {2}context:\n {4}old_name: c0\n {2}requestor:\n {4}address: '@'\n {4}protocol: unix\n {4}username: root\n {2}source: \/1\.0\/instances\/c1\nproject: default\ntimestamp: "20[^"]+"\ntype: lifecycle\n/m,
    )
    expect(lifecycle.printed()).not.toContain('type: operation')
    expect(await all.until((text) => text.includes(last))).toContain('type: operation')
    await both.until((text) => text.includes(last))
    expect(new Set(events(both.printed()).map(({ type }) => type))).toEqual(new Set(['operation', 'lifecycle']))
    await operations.until((text) => text.split('"Renaming instance"').length > 4)
    const [one] = events(operations.printed())
    expect(one).toMatchObject({ type: 'operation', project: 'default', location: 'none' })
    expect(new Set(events(operations.printed()).map(({ type }) => type))).toEqual(new Set(['operation']))
    for (const monitor of [pretty, formatted])
      expect(await monitor.until((text) => text.includes('instance-renamed'))).toMatch(/^time="20.*level=info.*c1/m)
  })

  test('refuses what it does not know', async () => {
    expect(await lxc.fails('monitor', '--format', 'xml')).toMatch(/xml/)
    const { stderr, code } = await lxc.run(['monitor', 'nosuch:'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('nosuch')])
    const unknown = await lxc.windlass.call('GET', '/1.0/events?type=gossip')
    expect([unknown.status, fieldOf(unknown.body, 'error')]).toEqual([400, '"gossip" isn\'t a supported event type'])
    expect(await lxc.fails('monitor', '--project', 'nosuch')).not.toBe('')
  })

  test('hears of its project, of another one or of all', async () => {
    const inFar = () => lxc.ok('query', '-X', 'PATCH', '-d', '{}', '/1.0/instances/f0?project=far')
    await lxc.ok('init', '--empty', 'f0', '--project', 'far')
    const json = ['--type=lifecycle', '--format=json']
    await using here = await listening(lxc.monitor(...json))
    await using there = await listening(lxc.monitor(...json, '--project', 'far'), inFar)
    await using everywhere = await listening(lxc.monitor(...json, '--all-projects'), inFar)
    await lxc.ok('delete', 'f0', '--project', 'far')
    await lxc.ok('config', 'set', 'user.site', 'lab')
    const projects = (monitor: Monitor) => new Set(events(monitor.printed()).map(({ project }) => project))
    await there.until((text) => text.includes('instance-deleted'))
    await here.until((text) => text.includes('config-updated'))
    await everywhere.until((text) => text.includes('instance-deleted') && text.includes('config-updated'))
    expect([projects(here), projects(there)]).toEqual([new Set(['default']), new Set(['far'])])
    expect(projects(everywhere)).toEqual(new Set(['default', 'far']))
    const [deleted] = events(there.printed()).filter(({ metadata }) => metadata.action === 'instance-deleted')
    expect(deleted?.metadata).toMatchObject({ source: '/1.0/instances/f0?project=far' })
  })

  test('filters by the level of a line', async () => {
    await using monitor = await listening(lxc.monitor('--pretty', '--loglevel=info'))
    expect(await monitor.until((text) => text !== '')).toMatch(/^time="/)
    expect(await lxc.fails('monitor', '--pretty', '--loglevel=loud')).toMatch(/loud/)
  })

  /** Everything a command is to be told of: its action, what it is about, and what else is said. */
  const DONE: [words: string[], action: string, source: string, context?: object][] = [
    [['start', 'c0'], 'instance-started', 'instances/c0'],
    [['exec', 'c0', '--', 'true'], 'instance-exec', 'instances/c0', { command: ['true'] }],
    [['console', 'c0', '--show-log'], 'instance-console-retrieved', 'instances/c0'],
    [['pause', 'c0'], 'instance-paused', 'instances/c0'],
    [['start', 'c0'], 'instance-resumed', 'instances/c0'],
    [['restart', 'c0', '--force'], 'instance-restarted', 'instances/c0'],
    [['config', 'set', 'c0', 'user.a=b'], 'instance-updated', 'instances/c0'],
    [['file', 'push', 'note', 'c0/tmp/note'], 'instance-file-pushed', 'instances/c0', { path: '/tmp/note' }],
    [['file', 'pull', 'c0/tmp/note', '-'], 'instance-file-retrieved', 'instances/c0', { path: '/tmp/note' }],
    [['file', 'delete', 'c0/tmp/note'], 'instance-file-deleted', 'instances/c0', { path: '/tmp/note' }],
    [['stop', 'c0', '--force'], 'instance-stopped', 'instances/c0'],
    [['snapshot', 'c0', 's0'], 'instance-snapshot-created', 'instances/c0/snapshots/s0'],
    [['restore', 'c0', 's0'], 'instance-restored', 'instances/c0', { snapshot: 'c0/s0' }],
    [['rename', 'c0/s0', 'c0/s1'], 'instance-snapshot-renamed', 'instances/c0/snapshots/s1', { old_name: 'c0/s0' }],
    [['delete', 'c0/s1'], 'instance-snapshot-deleted', 'instances/c0/snapshots/s1'],
    [['config', 'metadata', 'show', 'c0'], 'instance-metadata-retrieved', 'instances/c0/metadata'],
    [
      ['config', 'template', 'create', 'c0', 'hosts.tpl'],
      'instance-metadata-template-created',
      'instances/c0/metadata/templates',
      { path: 'hosts.tpl' },
    ],
    [
      ['config', 'template', 'show', 'c0', 'hosts.tpl'],
      'instance-metadata-template-retrieved',
      'instances/c0/metadata/templates',
      { path: 'hosts.tpl' },
    ],
    [
      ['config', 'template', 'delete', 'c0', 'hosts.tpl'],
      'instance-metadata-template-deleted',
      'instances/c0/metadata/templates',
      { path: 'hosts.tpl' },
    ],
    [['profile', 'create', 'p0'], 'profile-created', 'profiles/p0'],
    [['profile', 'set', 'p0', 'user.a=b'], 'profile-updated', 'profiles/p0'],
    [['profile', 'rename', 'p0', 'p1'], 'profile-renamed', 'profiles/p1', { old_name: 'p0' }],
    [['profile', 'delete', 'p1'], 'profile-deleted', 'profiles/p1'],
    [['network', 'create', 'n0', 'ipv4.address=10.91.0.1/24'], 'network-created', 'networks/n0'],
    [['network', 'set', 'n0', 'user.a=b'], 'network-updated', 'networks/n0'],
    [['network', 'delete', 'n0'], 'network-deleted', 'networks/n0'],
    [
      ['storage', 'volume', 'create', 'default', 'v0'],
      'storage-volume-created',
      'storage-pools/default/volumes/custom/v0',
      { type: 'custom' },
    ],
    [
      ['storage', 'volume', 'rename', 'default', 'v0', 'v1'],
      'storage-volume-renamed',
      'storage-pools/default/volumes/custom/v1',
      { old_name: 'v0' },
    ],
    [
      ['storage', 'volume', 'delete', 'default', 'v1'],
      'storage-volume-deleted',
      'storage-pools/default/volumes/custom/v1',
    ],
    [['config', 'set', 'user.site', 'lab'], 'config-updated', ''],
    [['project', 'create', 'near'], 'project-created', 'projects/near'],
    [['project', 'set', 'near', 'user.a=b'], 'project-updated', 'projects/near'],
    [['project', 'rename', 'near', 'next'], 'project-renamed', 'projects/next', { old_name: 'near' }],
    [['project', 'delete', 'next'], 'project-deleted', 'projects/next'],
  ]

  test('everything that is done is told of in the words of LXD', async () => {
    await writeFile(join(lxc.directory, 'note'), 'note')
    await using monitor = await listening(lxc.monitor('--type=lifecycle', '--format=json', '--all-projects'))
    for (const [words] of DONE) await lxc.ok(...words)
    await monitor.until((text) => text.includes('project-deleted'))
    const root = { username: 'root', protocol: 'unix', address: '@' }
    const told = events(monitor.printed()).map(({ metadata, location, project }) => ({
      ...metadata,
      location,
      project,
    }))
    const wanted = DONE.map(([words, action, source, context = {}]) => ({
      action,
      source: source === '' ? '/1.0' : `/1.0/${source}`,
      context,
      requestor: root,
      location: 'none',
      project: words[0] === 'project' ? source.slice('projects/'.length) : 'default',
    }))
    const isPoke = ({ action }: { action?: string }) => action === 'instance-updated'
    expect(told.filter((one) => !isPoke(one))).toEqual(wanted.filter((one) => !isPoke(one)))
    expect(told.filter(isPoke)).toContainEqual(wanted.find(isPoke))
  })

  test('images, their aliases and secrets, backups and cancels are told of', async () => {
    await using monitor = await listening(lxc.monitor('--type=lifecycle', '--format=json'))
    const published = await lxc.ok('publish', 'c0', '--alias', 'i0', '--compression', 'none')
    const fingerprint = /[0-9a-f]{64}/.exec(published)?.[0] ?? ''
    const image = `/1.0/images/${fingerprint}`
    await lxc.ok('image', 'alias', 'rename', 'i0', 'i1')
    await lxc.ok('image', 'set-property', 'i1', 'user.a', 'b')
    await lxc.ok('image', 'export', 'i1', 'exported')
    const shared: unknown = JSON.parse(await lxc.ok('query', '-X', 'POST', '-d', '{}', `${image}/secret`))
    await lxc.ok('operation', 'delete', String(fieldOf(shared, 'id')))
    await lxc.ok('image', 'alias', 'delete', 'i1')
    await lxc.ok('image', 'delete', fingerprint)
    await lxc.ok('export', 'c0', 'backup.tar.gz')
    await monitor.until((text) => text.includes('instance-backup-deleted'))
    const told = events(monitor.printed())
      .map(({ metadata: { action, source, context } }) => [action, source, context])
      .filter(([action]) => action !== 'instance-updated')
    expect(told).toEqual(
      expect.arrayContaining([
        ['image-created', image, { type: 'container' }],
        ['image-alias-created', '/1.0/images/aliases/i0', { target: fingerprint }],
        ['image-alias-renamed', '/1.0/images/aliases/i1', { old_name: 'i0' }],
        ['image-updated', image, {}],
        ['image-retrieved', image, {}],
        ['image-secret-created', image, {}],
        ['image-alias-deleted', '/1.0/images/aliases/i1', {}],
        ['image-deleted', image, {}],
        ['instance-backup-created', '/1.0/instances/c0/backups/backup0', {}],
        ['instance-backup-retrieved', '/1.0/instances/c0/backups/backup0', {}],
        ['instance-backup-deleted', '/1.0/instances/c0/backups/backup0', {}],
        ['operation-cancelled', `/1.0/operations/${String(fieldOf(shared, 'id'))}`, {}],
      ]),
    )
  })

  test.skipIf(DOCKER === undefined)('what is done by docker itself is told of as well', async () => {
    const docker = (...words: string[]) => run('docker', ['-H', lxc.windlass.engine.dockerHost, ...words])
    await lxc.ok('start', 'c0')
    await using monitor = await listening(lxc.monitor('--type=lifecycle', '--format=json'))
    const told = async (name: string) => {
      await monitor.until((text) => events(text).some(({ metadata }) => metadata.action === name))
      return lxc.rows('list', '-c', 'ns')
    }
    await docker('pause', 'c0.lxd')
    expect(await told('instance-paused')).toEqual(['c0,FROZEN'])
    await docker('unpause', 'c0.lxd')
    expect(await told('instance-resumed')).toEqual(['c0,RUNNING'])
    await docker('stop', '-t', '0', 'c0.lxd')
    expect(await told('instance-shutdown')).toEqual(['c0,STOPPED'])
    await docker('start', 'c0.lxd')
    expect(await told('instance-started')).toEqual(['c0,RUNNING'])
    await docker('rename', 'c0.lxd', 'c9.lxd')
    expect(await told('instance-renamed')).toEqual(['c9,RUNNING'])
    await docker('rm', '-f', 'c9.lxd')
    expect(await told('instance-stopped')).toEqual(['c9,ERROR'])
    await lxc.ok('delete', '--force', 'c9')
    expect(await told('instance-deleted')).toEqual([''])
    const actions = events(monitor.printed()).map(({ metadata }) => metadata.action)
    expect(actions.filter((action) => action !== 'instance-updated')).toEqual([
      'instance-paused',
      'instance-resumed',
      'instance-shutdown',
      'instance-started',
      'instance-renamed',
      'instance-stopped',
      // The client stops by force what it is to delete, whatever is left of it.
      'instance-stopped',
      'instance-deleted',
    ])
  })
})
