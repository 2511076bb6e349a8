/** LXD's own command line against real processes: what it needs, in its words and LXD's. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const states = (...names: string[]) => lxc.rows('list', '-c', 'ns', ...names)
  const show = (...words: string[]) => lxc.ok('config', 'show', ...words)

  test('the server introduces itself', async () => {
    expect(await lxc.ok('version')).toMatch(/Client version: \S+\nServer version: \d+\.\d+\.\d+\n/)
    const info = await lxc.ok('info')
    expect(info).toMatch(/^ {2}server: windlass$/m)
    expect(info).toMatch(/^ {2}server_clustered: false$/m)
    expect(await lxc.ok('info', '--resources')).toMatch(/Memory:\n {2}Free: /)
    expect(await lxc.ok('config', 'show')).toBe('config: {}\n')
    expect(await lxc.ok('warning', 'list')).toContain('| UUID |')
    expect(await lxc.rows('project', 'list')).toContainEqual(expect.stringMatching(/^default \(current\),YES,YES,YES,/))
  })

  test('instances are made, listed and filtered', async () => {
    expect(await lxc.ok('init', 'busybox', 'a0')).toBe('Creating a0\n')
    expect(await lxc.ok('launch', 'busybox', 'a1', '-c', 'user.a=b', '-c', 'limits.memory=64MiB')).toBe(
      'Creating a1\nStarting a1\n',
    )
    await lxc.ok('launch', 'busybox', 'ae', '--ephemeral')
    const unnamed = /Instance name is: (\S+)/.exec(await lxc.ok('init', 'busybox'))?.[1] ?? ''
    await lxc.ok('init', 'busybox', 'asize', '-t', 'c1-m1', '-p', 'default', '-n', 'lxdbr0', '-s', 'default')
    await lxc.ok('init', '--empty', 'anone')
    expect(await states('^a')).toEqual(['a0,STOPPED', 'a1,RUNNING', 'ae,RUNNING', 'anone,STOPPED', 'asize,STOPPED'])
    expect(await states('status=running')).toEqual(['a1,RUNNING', 'ae,RUNNING'])
    expect(await states('user.a=b')).toEqual(['a1,RUNNING'])
    expect(await states('type=container', 'status=stopped', 'asize')).toEqual(['asize,STOPPED'])
    expect(await lxc.rows('list', '-c', 'n,image.os:OS,devices:eth0.type,limits.memory', 'a1')).toEqual([
      'a1,BusyBox,nic,64MiB',
    ])
    expect(await lxc.rows('list', '-c', 'nsSatdPfFp4', '--all-projects', 'a1')).toEqual([
      expect.stringMatching(/^a1,RUNNING,0,\w+,CONTAINER,,default,[0-9a-f]{12},[0-9a-f]{64},\d+,[0-9.]+ \(eth0\)$/),
    ])
    expect(await lxc.rows('list', '--fast', 'ae')).toEqual([expect.stringContaining('CONTAINER (EPHEMERAL)')])
    expect(await lxc.rows('list', '-c', 'n,limits.cpu,limits.memory', 'asize')).toEqual(['asize,1,1024MB'])
    expect(await lxc.ok('list', '--format', 'yaml', 'a1')).toMatch(/^- architecture: \w+\n {2}config:\n/)
    expect(await lxc.ok('list', '--format', 'json', 'nosuch')).toBe('[]\n')
    await lxc.ok('stop', 'ae')
    expect(await states('ae')).toEqual([''])
    await lxc.ok('delete', 'anone', 'asize', unnamed)
  })

  test('instances run, pause and stop', async () => {
    const info = await lxc.ok('info', 'a1')
    expect(info).toMatch(/^Name: a1\nStatus: RUNNING\nType: container\nArchitecture: \w+\nPID: \d+\nCreated: /)
    expect(info).toMatch(/eth0:\n {6}Type: broadcast\n {6}State: UP\n/)
    expect(await lxc.ok('info', 'a1', '--show-log')).toContain('\nLog:\n')
    await lxc.ok('pause', 'a1')
    expect(await states('a1')).toEqual(['a1,FROZEN'])
    expect(await lxc.fails('exec', 'a1', '--', 'true')).toBe('Instance is frozen')
    await lxc.ok('start', 'a1')
    await lxc.ok('restart', 'a1')
    await lxc.ok('restart', 'a1', '--force')
    await lxc.ok('stop', 'a1')
    expect(await lxc.fails('stop', 'a1')).toBe('The instance is already stopped')
    await lxc.ok('start', 'a0', 'a1')
    expect(await lxc.fails('delete', 'a0')).toBe('The instance is currently running, stop it first or pass --force')
    await lxc.ok('stop', '--all', '--force')
    expect(await states('^a')).toEqual(['a0,STOPPED', 'a1,STOPPED'])
    expect(await lxc.ok('info', 'a0')).not.toContain('PID')
  })

  test('configuration is read and written', async () => {
    expect(await show('a0', '--expanded')).toMatch(/ {2}eth0:\n {4}name: eth0\n {4}network: lxdbr0\n {4}type: nic\n/)
    await lxc.ok('config', 'set', 'a0', 'limits.memory', '128MiB')
    await lxc.ok('config', 'set', 'a0', 'user.x=1', 'user.y=2')
    await lxc.feed('on stdin\n', 'config', 'set', 'a0', 'user.stdin', '-')
    await lxc.ok('config', 'unset', 'a0', 'user.x')
    expect(await lxc.ok('config', 'get', 'a0', 'limits.memory')).toBe('128MiB\n')
    expect(await lxc.ok('config', 'get', 'a0', 'user.x')).toBe('\n')
    await lxc.feed((await show('a0')).replace('user.y: "2"', 'user.y: "3"'), 'config', 'edit', 'a0')
    expect(await lxc.fails('config', 'edit', 'a0')).toContain('Nothing is given')
    const shown = await show('a0')
    expect(shown).toContain('  user.stdin: |\n    on stdin\n  user.y: "3"\n')
    expect(shown).toMatch(/ {2}volatile\.eth0\.hwaddr: 02:42:/)
    expect(await lxc.ok('config', 'device', 'add', 'a0', 'data', 'disk', 'source=/tmp', 'path=/data')).toBe(
      'Device data added to a0\n',
    )
    await lxc.ok('config', 'device', 'set', 'a0', 'data', 'readonly=true')
    expect(await lxc.ok('config', 'device', 'show', 'a0')).toBe(
      'data:\n  path: /data\n  readonly: "true"\n  source: /tmp\n  type: disk\n',
    )
    await lxc.ok('config', 'device', 'remove', 'a0', 'data')
    await lxc.ok('config', 'device', 'add', 'a0', 'later', 'disk', 'source=/nosuch', 'path=/x', 'required=false')
    await lxc.ok('config', 'device', 'remove', 'a0', 'later')
    await lxc.ok('config', 'device', 'override', 'a0', 'root', 'size=200MiB')
    await lxc.ok('config', 'device', 'remove', 'a0', 'root')
    await lxc.ok('config', 'set', 'a0', 'security.protection.delete', 'true')
    expect(await lxc.fails('delete', 'a0')).toBe('Container is protected')
    await lxc.ok('config', 'unset', 'a0', 'security.protection.delete')
  })

  test('snapshots are taken, shown, restored, renamed and deleted', async () => {
    await lxc.ok('start', 'a1')
    await lxc.ok('snapshot', 'a1', 's0')
    await lxc.ok('snapshot', 'a1')
    await lxc.ok('snapshot', 'a1', 'sx', '--no-expiry')
    expect(await lxc.fails('snapshot', 'a1', 's0')).toBe(
      'Failed creating instance snapshot record "s0": Add snapshot info to the database: This "instances_snapshots" entry already exists',
    )
    const info = await lxc.ok('info', 'a1')
    for (const name of ['s0', 'snap0', 'sx'])
      expect(info).toMatch(new RegExp(`\\| ${name} +\\| 20.* UTC \\| .*\\| NO `))
    expect(await lxc.rows('list', '-c', 'nS', 'a1')).toEqual(['a1,3'])
    expect(await show('a1/s0')).toMatch(/^expires_at: 0001-01-01T00:00:00Z\narchitecture: [^]*\nname: s0\n/)
    await lxc.ok('config', 'set', 'a1', 'user.later', 'yes')
    await lxc.ok('restore', 'a1', 's0')
    expect(await lxc.ok('config', 'get', 'a1', 'user.later')).toBe('\n')
    expect(await states('a1')).toEqual(['a1,RUNNING'])
    expect(await lxc.fails('restore', 'a1', 's0', '--stateful')).toBe(
      'Stateful snapshot restore requested by snapshot is stateless',
    )
    await lxc.ok('rename', 'a1/snap0', 'a1/s1')
    await lxc.ok('delete', 'a1/s1')
    expect(await lxc.rows('list', '-c', 'nS', 'a1')).toEqual(['a1,2'])
  })

  test('a restored instance has the NICs it had then, and its own addresses', async () => {
    await lxc.ok('copy', 'a1', 'anic')
    await lxc.ok('profile', 'assign', 'anic', '')
    expect(await show('anic', '--expanded')).toMatch(/\ndevices: \{\}\n[^]*\nprofiles: \[\]\n/)
    await lxc.ok('restore', 'anic', 's0')
    await lxc.ok('start', 'anic')
    const macOf = async (name: string) => lxc.ok('config', 'get', name, 'volatile.eth0.hwaddr')
    expect(await macOf('anic')).not.toBe(await macOf('a1'))
    expect(await lxc.rows('list', '-c', 'n4', 'anic')).toEqual([expect.stringMatching(/^anic,[0-9.]+ \(eth0\)$/)])
    await lxc.ok('delete', '-f', 'anic')
  })

  test('instances and snapshots are copied and moved', async () => {
    await lxc.ok('copy', 'a1', 'b1')
    await lxc.ok('copy', 'a0', 'b2', '--instance-only')
    await lxc.ok('copy', 'a1/s0', 'b3', '-c', 'user.copied=yes', '-e')
    await lxc.ok('copy', 'a1', 'b4', '--stateless')
    expect(await lxc.rows('list', '-c', 'nsS', '^b')).toEqual([
      'b1,STOPPED,2',
      'b2,STOPPED,0',
      'b3,STOPPED,0',
      'b4,STOPPED,2',
    ])
    expect(await show('b3')).toMatch(/ {2}user\.copied: "yes"\n[^]*\nephemeral: true\n/)
    await lxc.ok('move', 'b1', 'b5')
    await lxc.ok('move', 'b5/sx', 'b5/sy')
    expect(await lxc.fails('rename', 'b5', 'b2')).toBe('Name "b2" already in use')
    expect(await lxc.fails('rename', 'a1', 'b6')).toBe('Renaming of running container not allowed')
    expect(await states('^b')).toEqual(['b2,STOPPED', 'b3,STOPPED', 'b4,STOPPED', 'b5,STOPPED'])
    await lxc.ok('project', 'create', 'next', '-c', 'features.images=false', '-c', 'features.profiles=false')
    await lxc.ok('move', 'b5', 'b7', '--target-project', 'next')
    expect(await lxc.rows('list', '-c', 'nS', '--project', 'next')).toEqual(['b7,2'])
    await lxc.ok('delete', 'b7', '--project', 'next')
    await lxc.ok('project', 'delete', 'next')
    await lxc.ok('delete', 'b2', 'b3', 'b4')
  })

  const ENTRY_EXISTS =
    'Failed creating instance record: Add instance info to the database: This "instances" entry already exists'

  test.each([
    ['launch nosuchimage x', 'Image not found'],
    ['launch busybox bad_name', 'Invalid instance name: Name can only contain alphanumeric and hyphen characters'],
    ['launch busybox 1bad', 'Invalid instance name: Name must not start with a number'],
    [`launch busybox ${'long'.repeat(18)}`, 'Invalid instance name: Name must be 1-63 characters long'],
    ['launch busybox x -c limits.memory=abc', 'Failed creating instance record: Invalid value: abc'],
    ['launch busybox x -c no.such=1', 'Failed creating instance record: Unknown configuration key: no.such'],
    ['launch busybox x -p nosuch', 'Requested profile "nosuch" doesn\'t exist'],
    ['launch busybox x -t nosuch', "Provided instance type doesn't exist: nosuch"],
    ['init busybox x --vm', 'Asked for a VM but image is of type container'],
    ['init busybox a0', ENTRY_EXISTS],
    ['copy a1 a0', ENTRY_EXISTS],
    ['copy a0', ENTRY_EXISTS],
    ['copy nosuch x', 'Instance not found'],
    ['start nosuch', 'Instance not found'],
    ['exec nosuch -- true', 'Instance not found'],
    ['delete nosuch', 'Failed checking instance exists "local:nosuch": Instance not found'],
    ['rename nosuch x', 'Instance not found'],
    ['pause a0', "The container isn't running"],
    ['config set a0 no.such.key=1', 'Invalid config: Unknown configuration key: no.such.key'],
    ['config set a0 limits.cpu=abc', 'Invalid config: Invalid CPU limit syntax'],
    ['config unset a0 user.notset', "Can't unset key 'user.notset', it's not currently set"],
    [
      'config device add a0 eth1 nic network=lxdbr0 name=eth1',
      'Failed add validation for device "eth1": Instance DNS name "a0" already used on network',
    ],
    [
      'config device add a0 bad disk source=/nosuchpath path=/zz',
      'Failed add validation for device "bad": Missing source path "/nosuchpath" for disk "bad"',
    ],
    ['profile add a0 nosuch', 'Profile not found'],
    ['snapshot a1 bad/name', 'Invalid snapshot name: Cannot contain "/"'],
    ['restore a1 nosuch', 'Snapshot a1/nosuch does not exist'],
    [
      'delete a1/nosuch',
      'Failed checking instance snapshot exists "local:a1/nosuch": Failed to fetch snapshot "nosuch" of instance "a1" in project "default": InstanceSnapshot not found',
    ],
    ['info nosuch', 'Instance not found'],
    ['snapshot a1 st --stateful', 'Stateful snapshots are not possible on Docker Engine'],
  ])('lxc %s: %s', async (command, error) => {
    expect(await lxc.fails(...command.split(' '))).toBe(error)
  })
})
