/** LXD's own command line on what instances are made of: images, profiles, projects, networks, storage, operations. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('init', 'busybox', 'c0')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const query = async (...words: string[]): Promise<unknown> => JSON.parse(await lxc.ok('query', ...words))

  test('images are published, shown, changed and found by their aliases', async () => {
    const said = await lxc.ok('publish', 'c0', '--alias', 'img1', '--public', '--compression', 'none', 'user.prop=v0')
    const fingerprint = /Instance published with fingerprint: ([0-9a-f]{64})\n$/.exec(said)?.[1] ?? ''
    expect(await lxc.rows('image', 'list', '-c', 'lFpt', 'img1')).toEqual([`img1,${fingerprint},yes,CONTAINER`])
    expect(await lxc.ok('image', 'info', 'img1')).toMatch(
      /^Fingerprint: [0-9a-f]{64}\nSize: [0-9.]+MB\nArchitecture: \w+\nType: container\nPublic: yes\nTimestamps:\n/,
    )
    await lxc.ok('image', 'set-property', 'img1', 'user.prop', 'v1')
    expect(await lxc.ok('image', 'get-property', 'img1', 'user.prop')).toBe('v1\n')
    await lxc.ok('image', 'unset-property', 'img1', 'user.prop')
    await lxc.feed(
      (await lxc.ok('image', 'show', 'img1')).replace('public: true', 'public: false'),
      'image',
      'edit',
      'img1',
    )
    expect(await lxc.ok('image', 'show', 'img1')).toMatch(/^public: false$/m)
    await lxc.ok('image', 'alias', 'create', 'al1', fingerprint)
    await lxc.ok('image', 'alias', 'rename', 'al1', 'al2')
    expect(await lxc.rows('image', 'alias', 'list')).toContainEqual(`al2,${fingerprint.slice(0, 12)},CONTAINER,`)
    await lxc.ok('image', 'alias', 'delete', 'al2')
    expect(await lxc.fails('image', 'alias', 'create', 'busybox', fingerprint)).toBe('Alias "busybox" already exists')
  })

  test('an image goes out and comes in again as it was', async () => {
    await lxc.ok('snapshot', 'c0', 's0')
    await lxc.ok('publish', 'c0/s0', '--alias', 'img2')
    expect(await lxc.ok('image', 'export', 'img2', 'exported')).toContain('Image exported successfully!')
    const file = (await readdir(lxc.directory)).find((name) => name.startsWith('exported')) ?? ''
    expect(await lxc.fails('image', 'import', file)).toBe('Image with same fingerprint already exists')
    const [fingerprint] = await lxc.rows('image', 'list', '-c', 'F', 'img2')
    await lxc.ok('image', 'delete', 'img2')
    expect(await lxc.ok('image', 'import', file, '--alias', 'back', 'description=once more')).toContain(
      `Image imported with fingerprint: ${fingerprint}`,
    )
    expect(await lxc.rows('image', 'list', '-c', 'ld', 'back')).toEqual(['back,once more'])
    await lxc.ok('launch', 'back', 'cb')
    await lxc.ok('image', 'delete', 'back')
    expect(await lxc.rows('list', '-c', 'ns', 'cb')).toEqual(['cb,RUNNING'])
    await lxc.ok('delete', '-f', 'cb')
    await writeFile(join(lxc.directory, 'garbage.bin'), Buffer.alloc(100_000, 'no tarball'))
    expect(await lxc.fails('image', 'import', 'garbage.bin', '--alias', 'garbage')).toBe('Unsupported compression')
    expect(await lxc.fails('image', 'info', 'garbage')).toBe('Image not found')
    // Refused before it was read: the client still hears why.
    expect(await lxc.fails('image', 'import', 'garbage.bin', file)).toBe('Unsupported compression')
    expect(await lxc.fails('image', 'delete', 'garbage')).toBe('Image not found')
    await lxc.ok('start', 'c0')
    expect(await lxc.fails('publish', 'c0')).toContain('The instance is currently running')
    await lxc.ok('publish', 'c0', '--force', '--alias', 'img3')
    expect(await lxc.rows('list', '-c', 'ns', 'c0')).toEqual(['c0,RUNNING'])
  })

  test('profiles are made, edited, assigned and deleted', async () => {
    expect(await lxc.ok('profile', 'create', 'p1')).toBe('Profile p1 created\n')
    expect(await lxc.ok('profile', 'show', 'p1')).toBe(
      'config: {}\ndescription: ""\ndevices: {}\nname: p1\nused_by: []\n',
    )
    await lxc.ok('profile', 'set', 'p1', 'user.a=1', 'limits.memory=64MiB')
    expect(await lxc.ok('profile', 'get', 'p1', 'limits.memory')).toBe('64MiB\n')
    await lxc.ok('profile', 'unset', 'p1', 'user.a')
    await lxc.ok('profile', 'device', 'add', 'p1', 'eth0', 'nic', 'network=lxdbr0', 'name=eth0')
    expect(await lxc.fails('profile', 'device', 'set', 'p1', 'eth0', 'mtu=1400')).toBe(
      'Device validation failed for "eth0": Cannot use "mtu" property in conjunction with "network" property',
    )
    await lxc.ok('profile', 'device', 'remove', 'p1', 'eth0')
    await lxc.feed('config: {user.b: "1"}\ndescription: edited\ndevices: {}\n', 'profile', 'edit', 'p1')
    await lxc.ok('profile', 'copy', 'p1', 'p2')
    await lxc.ok('profile', 'rename', 'p2', 'p3')
    await lxc.ok('profile', 'add', 'c0', 'p1')
    await lxc.ok('profile', 'assign', 'c0', 'default,p1')
    expect(await lxc.ok('config', 'get', 'c0', 'user.b', '--expanded')).toBe('1\n')
    expect(await lxc.rows('profile', 'list')).toEqual([
      expect.stringMatching(/^default,.*,1$/),
      'p1,edited,1',
      'p3,edited,0',
    ])
    expect(await lxc.fails('profile', 'delete', 'p1')).toBe('Profile is currently in use')
    expect(await lxc.fails('profile', 'create', 'p1')).toBe(
      'Error inserting "p1" into database: The profile already exists',
    )
    expect(await lxc.fails('profile', 'delete', 'default')).toBe('The "default" profile cannot be deleted')
    const relied = "At least one instance relies on this profile's root disk device"
    expect(await lxc.run(['profile', 'edit', 'default'], '')).toMatchObject({ code: 1, stderr: `Error: ${relied}\n` })
    expect(await lxc.fails('profile', 'device', 'remove', 'default', 'root')).toBe(relied)
    await lxc.ok('profile', 'remove', 'c0', 'p1')
    await lxc.ok('profile', 'delete', 'p1')
    await lxc.ok('profile', 'delete', 'p3')
    expect(await lxc.fails('profile', 'show', 'p1')).toMatch(/Profile not found$/)
  })

  test('projects have their own instances and images', async () => {
    expect(await lxc.ok('project', 'create', 'pr1', '-c', 'user.k=v')).toBe('Project pr1 created\n')
    await lxc.ok('project', 'switch', 'pr1')
    expect(await lxc.rows('project', 'list')).toContainEqual(expect.stringMatching(/^pr1 \(current\),/))
    expect(await lxc.rows('list')).toEqual([''])
    expect(await lxc.fails('init', 'busybox', 'x')).toBe('Image not found')
    await lxc.ok('profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=default')
    await lxc.ok('init', '--empty', 'inside')
    await lxc.ok('project', 'switch', 'default')
    expect(await lxc.rows('list', '-c', 'n', '--project', 'pr1')).toEqual(['inside'])
    expect(await lxc.rows('list', '-c', 'en', '--all-projects')).toEqual(['default,c0', 'pr1,inside'])
    expect(await lxc.fails('project', 'delete', 'pr1')).toBe('Only empty projects can be removed')
    expect(await lxc.fails('project', 'rename', 'pr1', 'pr2')).toBe('Only empty projects can be renamed')
    expect(await lxc.ok('project', 'info', 'pr1')).toMatch(/\| INSTANCES +\| UNLIMITED \| 1 +\|/)
    expect(await lxc.ok('project', 'get', 'pr1', 'user.k')).toBe('v\n')
    await lxc.ok('delete', 'inside', '--project', 'pr1')
    await lxc.ok('project', 'rename', 'pr1', 'pr2')
    await lxc.ok('project', 'delete', 'pr2')
    expect(await lxc.fails('project', 'switch', 'pr2')).toBe('Project not found')
    expect(await lxc.rows('list', '--project', 'pr2')).toEqual([''])
  })

  test('a project shares the images and profiles of default', async () => {
    const images = await lxc.rows('image', 'list', '-c', 'l')
    expect(images).toContain('busybox')
    await lxc.ok('project', 'create', 'test', '-c', 'features.images=false', '-c', 'features.profiles=false')
    expect(await lxc.rows('project', 'list')).toContainEqual('test,NO,NO,YES,NO,,0')
    await lxc.ok('launch', 'busybox', 'c1', '--project', 'test')
    expect(await lxc.rows('list', '-c', 'ns', '--project', 'test')).toEqual(['c1,RUNNING'])
    expect(await lxc.rows('image', 'list', '-c', 'l', '--project', 'test')).toEqual(images)
    expect(await lxc.rows('profile', 'list', '--project', 'test')).toEqual(await lxc.rows('profile', 'list'))
    await lxc.ok('profile', 'create', 'small', '--project', 'test')
    await lxc.ok('profile', 'add', 'c1', 'small', '--project', 'test')
    expect(await lxc.fails('profile', 'delete', 'small')).toBe('Profile is currently in use')
    await lxc.ok('publish', '--force', 'c1', '--alias', 'mine', '--project', 'test')
    expect(await lxc.ok('image', 'show', 'mine')).toMatch(/^public: false$/m)
    expect(await lxc.fails('project', 'set', 'test', 'features.images=true')).toBe(
      'Features can only be changed on empty projects',
    )
    await lxc.ok('delete', '--force', 'c1', '--project', 'test')
    await lxc.ok('image', 'delete', 'mine', '--project', 'test')
    await lxc.ok('profile', 'delete', 'small', '--project', 'test')
    await lxc.ok('project', 'delete', 'test')
    expect(await lxc.rows('image', 'list', '-c', 'l')).toEqual(images)
  })

  test('networks and storage are shown and used', async () => {
    expect(await lxc.rows('network', 'list')).toContainEqual(expect.stringMatching(/^lxdbr0,bridge,YES,[0-9.]+\/20,/))
    await lxc.ok('network', 'create', 'net1', 'ipv4.address=10.77.0.1/24', 'ipv6.address=none')
    expect(await lxc.fails('network', 'create', 'net1')).toBe('The network already exists')
    expect(await lxc.ok('network', 'get', 'net1', 'ipv4.address')).toBe('10.77.0.1/24\n')
    expect(await lxc.ok('network', 'info', 'net1')).toMatch(/inet\t10\.77\.0\.1\/24 \(global\)/)
    await lxc.ok('network', 'attach', 'net1', 'c0', 'eth1')
    expect(await lxc.rows('network', 'list-leases', 'net1')).toContainEqual(
      expect.stringMatching(/^c0,02:42:[0-9a-f:]+,10\.77\.0\.\d+,DYNAMIC$/),
    )
    expect(await lxc.fails('network', 'delete', 'net1')).toBe('The network is currently in use')
    await lxc.ok('network', 'detach', 'net1', 'c0')
    await lxc.ok('network', 'delete', 'net1')
    expect(await lxc.fails('network', 'show', 'net1')).toBe('Network not found')
    expect(await lxc.rows('storage', 'list')).toEqual([expect.stringMatching(/^default,docker,.*,CREATED$/)])
    expect(await lxc.ok('storage', 'info', 'default')).toMatch(/ {2}space used: [0-9.]+\w+\n {2}total space: /)
    await lxc.ok('storage', 'volume', 'create', 'default', 'v1')
    await lxc.ok('storage', 'volume', 'attach', 'default', 'v1', 'c0', '/mnt')
    expect(await lxc.fails('storage', 'volume', 'delete', 'default', 'v1')).toMatch(/in use/)
    await lxc.ok('exec', 'c0', '--', 'sh', '-c', 'echo kept > /mnt/note')
    await lxc.ok('storage', 'volume', 'detach', 'default', 'v1', 'c0')
    await lxc.ok('storage', 'volume', 'copy', 'default/v1', 'default/v2')
    expect(await lxc.fails('storage', 'volume', 'copy', 'default/v1', 'default/v2')).toBe(
      'Volume by that name already exists',
    )
    await lxc.ok('storage', 'volume', 'rename', 'default', 'v2', 'v3')
    await lxc.ok('storage', 'volume', 'attach', 'default', 'v3', 'c0', '/mnt')
    expect(await lxc.ok('exec', 'c0', '--', 'cat', '/mnt/note')).toBe('kept\n')
    await lxc.ok('storage', 'volume', 'detach', 'default', 'v3', 'c0')
    await lxc.ok('storage', 'volume', 'delete', 'default', 'v3')
    await lxc.ok('storage', 'volume', 'delete', 'default', 'v1')
    expect(await lxc.fails('storage', 'volume', 'delete', 'default', 'v1')).toBe('Storage pool volume not found')
  })

  test('queries go through as they are', async () => {
    expect(await query('/')).toEqual(['/1.0'])
    expect(await query('--raw', '/1.0/containers')).toEqual({
      type: 'sync',
      status: 'Success',
      status_code: 200,
      operation: '',
      error_code: 0,
      error: '',
      metadata: ['/1.0/containers/c0'],
    })
    const restart = ['--wait', '-X', 'PUT', '-d', '{"action":"restart","force":true,"timeout":5}']
    expect(await query(...restart, '/1.0/instances/c0/state')).toMatchObject({
      class: 'task',
      description: 'Restarting instance',
      err: '',
      location: 'none',
      may_cancel: false,
      resources: { instances: ['/1.0/instances/c0'] },
      status: 'Success',
      status_code: 200,
    })
    await lxc.ok('query', '-X', 'PATCH', '-d', '{"config":{"user.patched":"1"}}', '/1.0/instances/c0')
    expect(await query('/1.0/instances/c0')).toMatchObject({ name: 'c0', config: { 'user.patched': '1' } })
    expect(await query('/1.0/instances?recursion=1')).toMatchObject([{ name: 'c0', type: 'container' }])
    expect(await query('/1.0/instances/c0/state')).toMatchObject({ status: 'Running', status_code: 103 })
    await lxc.ok('query', '-X', 'POST', '-d', '{"name":"qp"}', '/1.0/profiles')
    await lxc.ok('query', '-X', 'DELETE', '/1.0/profiles/qp')
    const metrics = await lxc.ok('query', '/1.0/metrics')
    for (const name of ['procs_total', 'memory_MemTotal_bytes', 'memory_MemFree_bytes'])
      expect(metrics).toMatch(
        new RegExp(String.raw`^lxd_${name}\{name="c0",project="default",type="container"\} \d+$`, 'm'),
      )
    expect(await lxc.fails('query', '-X', 'POST', '-d', 'notjson', '/1.0/instances')).toBe(
      'Invalid body: must be object',
    )
    expect(await lxc.fails('query', '/1.0/nosuch')).toBe('not found')
  })

  test('operations are listed, and followed by a monitor', async () => {
    await using monitor = lxc.monitor('--type=operation', '--type=lifecycle', '--format', 'json')
    // What happened before its socket was open it is not told: something happens until it is told of it.
    while (monitor.printed() === '') await lxc.ok('query', '-X', 'PATCH', '-d', '{}', '/1.0/instances/c0')
    await lxc.ok('stop', '--force', 'c0')
    await lxc.ok('rename', 'c0', 'c9')
    const printed = await monitor.until(
      (text) => text.includes('instance-renamed') && text.includes('Renaming instance'),
    )
    const events = printed.split('\n').flatMap((line): unknown[] => (line === '' ? [] : [JSON.parse(line)]))
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'lifecycle',
        project: 'default',
        location: 'none',
        metadata: {
          action: 'instance-renamed',
          source: '/1.0/instances/c9',
          context: { old_name: 'c0' },
          requestor: { username: 'root', protocol: 'unix', address: '@' },
        },
      }),
    )
    const renaming = { type: 'operation', metadata: { description: 'Renaming instance', status: 'Success' } }
    expect(events).toContainEqual(
      expect.objectContaining({ ...renaming, metadata: expect.objectContaining(renaming.metadata) }),
    )
    const [row = ''] = (await lxc.rows('operation', 'list')).filter((line) => line.includes('Renaming instance'))
    expect(row).toMatch(/^[0-9a-f-]{36},TASK,Renaming instance,SUCCESS,NO,/)
    expect(await lxc.ok('operation', 'show', row.split(',')[0] ?? '')).toMatch(
      /^resources:\n {2}containers:\n {2}- \/1\.0\/containers\/c0\n {2}instances:\n {2}- \/1\.0\/instances\/c0\n/m,
    )
    expect(await lxc.fails('operation', 'delete', row.split(',')[0] ?? '')).toBe("This operation can't be cancelled")
    expect(await lxc.fails('operation', 'show', '00000000-0000-0000-0000-000000000000')).toBe('Operation not found')
  })
})
