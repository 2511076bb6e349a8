/** LXD's own command line on the server as a whole: all instances at once, networks, warnings, settings, cluster. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askEngine } from '../support/ask-engine.ts'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

/** A snapshot that is held while its instance is busy with it. */
const HELD = 'snapshot.create.freeze.before@c0/held'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc({ env: { WINDLASS_TEST_POINT: HELD } })
    await lxc.ok('init', 'busybox', 'c0')
    await lxc.ok('launch', 'busybox', 'c1')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const states = () => lxc.rows('list', '-c', 'ns')
  /** The engine's network of this very name. */
  const onEngine = async (name: string): Promise<unknown> => {
    const { text } = await askEngine(lxc.windlass.engine.socket, 'GET', '/networks')
    return JSON.parse(text).find(({ Name }: { Name: string }) => Name === name)
  }

  test('all instances are started, paused, restarted and stopped at once, as one operation', async () => {
    await lxc.ok('start', '--all')
    expect(await states()).toEqual(['c0,RUNNING', 'c1,RUNNING'])
    await lxc.ok('pause', '--all')
    expect(await states()).toEqual(['c0,FROZEN', 'c1,FROZEN'])
    await lxc.ok('query', '--wait', '-X', 'PUT', '-d', '{"state":{"action":"unfreeze"}}', '/1.0/instances')
    await lxc.ok('restart', '--all', '--force')
    await lxc.ok('stop', 'c0', '--force')
    const stop = ['--wait', '-X', 'PUT', '-d', '{"state":{"action":"stop","force":true}}', '/1.0/instances']
    expect(JSON.parse(await lxc.ok('query', ...stop))).toMatchObject({
      class: 'task',
      description: 'Stopping instance',
      resources: { instances: ['/1.0/instances/c1'] },
      may_cancel: false,
      metadata: {},
      status: 'Success',
    })
    expect(await states()).toEqual(['c0,STOPPED', 'c1,STOPPED'])
    expect(await lxc.ok('stop', '--all')).toBe('')
  })

  test('what cannot be changed is listed, and the others are', async () => {
    const { windlass } = lxc
    await lxc.ok('start', '--all')
    const held = await windlass.call('POST', '/1.0/instances/c0/snapshots', { name: 'held' })
    const worker = await Promise.any(windlass.workers.map((one) => one.holds([HELD]).then(() => one)))
    expect(await lxc.fails('stop', '--all', '--force')).toMatch(
      /The following instances failed to update state:\n - Instance: c0: Instance is busy running a "snapshot" operation$/,
    )
    expect(await states()).toEqual(['c0,RUNNING', 'c1,STOPPED'])
    worker.letGo(HELD)
    await windlass.ended(held)
    const command = ['sleep', '1000']
    const recorded = await windlass.call('POST', '/1.0/instances/c0/exec', { command, 'record-output': true })
    await lxc.ok('stop', '--all', '--force')
    expect(await windlass.ended(recorded)).toMatchObject({ class: 'task', status_code: expect.any(Number) })
    const wrong = await windlass.call('PUT', '/1.0/instances', { state: { action: 'explode' } })
    expect([wrong.status, fieldOf(wrong.body, 'error')]).toEqual([400, "Unknown action: 'explode'"])
  })

  test('other projects are left alone', async () => {
    await lxc.ok('project', 'create', 'far')
    await lxc.ok('profile', 'device', 'add', 'default', 'root', 'disk', 'path=/', 'pool=default', '--project', 'far')
    await lxc.ok('init', '--empty', 'c0', '--project', 'far')
    await lxc.ok('start', 'c0')
    await lxc.ok('stop', '--all', '--force', '--project', 'far')
    expect(await states()).toEqual(['c0,RUNNING', 'c1,STOPPED'])
    await lxc.ok('delete', 'c0', '--project', 'far')
    await lxc.ok('project', 'delete', 'far')
  })

  test('networks are changed, attached to instances and profiles, and say what they cannot', async () => {
    await lxc.ok('network', 'create', 'net1', 'ipv4.address=10.77.0.1/24', 'user.a=1')
    await lxc.ok('network', 'set', 'net1', 'user.b', '2')
    await lxc.ok('network', 'unset', 'net1', 'user.a')
    const shown = await lxc.ok('network', 'show', 'net1')
    expect(shown).toMatch(/^config:\n {2}ipv4\.address: 10\.77\.0\.1\/24\n[^]* {2}user\.b: "2"\ndescription: ""\n/)
    await lxc.feed(shown.replace('description: ""', 'description: databases'), 'network', 'edit', 'net1')
    expect(await lxc.rows('network', 'list')).toContainEqual('net1,bridge,YES,10.77.0.1/24,none,databases,0,CREATED')
    expect(await lxc.fails('network', 'set', 'net1', 'ipv4.address', '10.78.0.1/24')).toMatch(
      /"ipv4.address" of a network cannot be changed on Docker Engine; make another network/,
    )
    const inUse = 'The network is currently in use'
    expect(await lxc.fails('network', 'rename', 'lxdbr0', 'net2')).toBe(inUse)
    expect(await lxc.fails('network', 'rename', 'net1', 'lxdbr0')).toBe('Network "lxdbr0" already exists')
    const before = await lxc.ok('network', 'show', 'net1')
    await lxc.ok('network', 'rename', 'net1', 'net2')
    expect(await lxc.fails('network', 'show', 'net1')).toBe('Network not found')
    expect(await lxc.ok('network', 'show', 'net2')).toBe(before.replace('name: net1', 'name: net2'))
    expect(await onEngine('net1')).toBeUndefined()
    expect(await onEngine('net2')).toMatchObject({
      Options: { 'com.docker.network.bridge.name': 'net2' },
      IPAM: { Config: [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }] },
    })
    await lxc.ok('network', 'attach', 'net2', 'c1', 'eth1')
    expect(await lxc.fails('network', 'rename', 'net2', 'net1')).toBe(inUse)
    await lxc.ok('network', 'detach', 'net2', 'c1')
    await lxc.ok('network', 'rename', 'net2', 'net1')
    expect(await lxc.fails('network', 'create', 'ovn1', '--type=ovn')).toMatch(/only "bridge" is/)
    await lxc.ok('profile', 'create', 'p1')
    await lxc.ok('network', 'attach-profile', 'net1', 'p1', 'eth1')
    expect(await lxc.fails('network', 'delete', 'net1')).toBe('The network is currently in use')
    await lxc.ok('network', 'attach', 'net1', 'c1', 'eth1')
    expect(await lxc.ok('network', 'show', 'net1')).toMatch(
      /^used_by:\n- \/1\.0\/instances\/c1\n- \/1\.0\/profiles\/p1\n/m,
    )
    await lxc.ok('network', 'detach-profile', 'net1', 'p1')
    await lxc.ok('network', 'detach', 'net1', 'c1')
    await lxc.ok('profile', 'delete', 'p1')
    await lxc.ok('network', 'delete', 'net1')
    for (const path of ['network-acls', 'network-zones', 'networks/lxdbr0/forwards', 'networks/lxdbr0/peers']) {
      expect(JSON.parse(await lxc.ok('query', `/1.0/${path}`))).toEqual([])
      const refused = await lxc.windlass.call('POST', `/1.0/${path}`, {})
      expect([refused.status, fieldOf(refused.body, 'error')]).toEqual([
        501,
        expect.stringMatching(/^Network \w+ are not possible on Docker Engine$/),
      ])
    }
  })

  test('warnings are listed, shown, acknowledged and deleted', async () => {
    const { windlass } = lxc
    const { text } = await askEngine(windlass.engine.socket, 'GET', '/containers/c0.lxd/json')
    const labels = fieldOf(fieldOf(JSON.parse(text), 'Config'), 'Labels')
    const unknown = {
      ...Object(labels),
      'windlass.operation': '01940000-0000-7000-8000-00000000dead',
      'windlass.role': 'volume',
    }
    await askEngine(windlass.engine.socket, 'POST', '/volumes/create', { Name: 'strange', Labels: unknown })
    await windlass.operate('POST', '/1.0/reconcile', {})
    const [row = ''] = (await lxc.rows('warning', 'list')).filter((line) => line.includes('Unexplained object'))
    const [uuid = ''] = row.split(',')
    await using monitor = lxc.monitor('--type=lifecycle', '--format', 'json')
    // What happened before its socket was open it is not told: something happens until it is told of it.
    while (monitor.printed() === '') await lxc.ok('query', '-X', 'PATCH', '-d', '{}', '/1.0/instances/c0')
    expect(row).toMatch(/^[0-9a-f-]{36},Unexplained object,NEW,\w+,1,/)
    expect(await lxc.ok('warning', 'show', uuid)).toMatch(
      /^status: new\nuuid: [0-9a-f-]{36}\nlocation: none\nproject: [^]*\ntype: Unexplained object\ncount: 1\nfirst_seen_at: 20/,
    )
    await lxc.ok('warning', 'acknowledge', uuid)
    expect(await lxc.rows('warning', 'list')).not.toContainEqual(expect.stringContaining(uuid))
    expect(await lxc.rows('warning', 'list', '--all')).toContainEqual(expect.stringContaining(`${uuid},Unexplained`))
    await askEngine(windlass.engine.socket, 'DELETE', '/volumes/strange')
    await lxc.ok('warning', 'delete', uuid)
    expect(await lxc.fails('warning', 'show', uuid)).toBe('Warning not found')
    const printed = await monitor.until((told) => told.includes('"warning-deleted"'))
    for (const action of ['warning-acknowledged', 'warning-deleted'])
      expect(printed).toContain(
        `"action":"${action}","context":{},"requestor":{"address":"@","protocol":"unix","username":"root"},"source":"/1.0/warnings/${uuid}"`,
      )
  })

  test('settings are set, shown, edited and unset', async () => {
    await lxc.ok('config', 'set', 'user.site', 'lab')
    await lxc.ok('config', 'set', 'images.remote_cache_expiry=5', 'core.remote_token_expiry=1d')
    expect(await lxc.ok('config', 'get', 'images.remote_cache_expiry')).toBe('5\n')
    await lxc.ok('config', 'set', 'images.auto_update_interval=12', 'images.auto_update_cached=false')
    expect(await lxc.fails('config', 'set', 'images.auto_update_interval', 'often')).toContain('a number of hours')
    await lxc.ok('config', 'unset', 'images.auto_update_interval')
    expect(await lxc.fails('config', 'set', 'images.remote_cache_expiry', 'soon')).toBe(
      "cannot set 'images.remote_cache_expiry' to 'soon': a number of days is wanted",
    )
    expect(await lxc.fails('config', 'set', 'no.such', 'x')).toBe("cannot set 'no.such' to 'x': unknown key")
    await lxc.feed('config:\n  user.site: port\n', 'config', 'edit')
    expect(await lxc.ok('config', 'show')).toBe('config:\n  user.site: port\n')
    await lxc.ok('config', 'unset', 'user.site')
    expect(await lxc.ok('config', 'show')).toBe('config: {}\n')
  })

  test('the server is alone, and says what its machine has', async () => {
    expect(await lxc.fails('cluster', 'list')).toBe("LXD server isn't part of a cluster")
    expect(await lxc.fails('cluster', 'show', 'x')).toMatch(/^Server is not clustered/)
    expect(await lxc.ok('info', '--resources')).toMatch(/CPU[^]*Memory:\n {2}Free: [0-9.]+\w+\n {2}Used: [0-9.]+\w+\n/)
  })
})
