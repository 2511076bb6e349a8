/** `lxc copy --refresh` within one server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askEngine } from '../support/ask-engine.ts'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('refreshing a copy', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('launch', 'busybox', 'source')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const sh = (name: string, script: string) => lxc.ok('exec', name, '--', 'sh', '-c', script)
  const snapshots = async (name: string): Promise<string[]> =>
    JSON.parse(await lxc.ok('query', `/1.0/instances/${name}/snapshots`))
  /** Names of images that are made for one instance alone. */
  const ownTags = async (): Promise<string[]> => {
    const { text } = await askEngine(lxc.windlass.engine.socket, 'GET', '/images/json?all=true')
    const images: { RepoTags: string[] | null }[] = JSON.parse(text)
    return images.flatMap(({ RepoTags }) => (RepoTags ?? []).filter((tag) => tag.startsWith('windlass/instance:')))
  }
  const macOf = (name: string) => lxc.ok('config', 'get', name, 'volatile.eth0.hwaddr')

  test('of what is not there is a copy', async () => {
    await sh('source', 'echo 1 >/note')
    await lxc.ok('snapshot', 'source', 's0')
    await lxc.ok('snapshot', 'source', 's1')
    await lxc.ok('copy', 'source', 'copy', '--refresh')
    await lxc.ok('start', 'copy')
    expect(await sh('copy', 'cat /note')).toBe('1\n')
  })

  test('brings the files and snapshots of the source, and leaves the copy its identity', async () => {
    await sh('copy', 'echo own >/own')
    await lxc.ok('snapshot', 'copy', 'mine')
    await sh('source', 'echo 2 >/note')
    await lxc.ok('delete', 'source/s0')
    await lxc.ok('snapshot', 'source', 's2')
    const [uuid, mac, address] = [
      await lxc.ok('config', 'get', 'copy', 'volatile.uuid'),
      await macOf('copy'),
      await lxc.rows('list', '-c', '4', 'copy'),
    ]
    expect(await lxc.fails('copy', 'source', 'copy', '--refresh')).toBe('Cannot refresh a running instance')
    await lxc.ok('stop', 'copy', '--force')
    await lxc.ok('copy', 'source', 'copy', '--refresh')
    expect(await snapshots('copy')).toEqual(['s1', 's2'].map((name) => `/1.0/instances/copy/snapshots/${name}`))
    await lxc.ok('start', 'copy')
    expect(await sh('copy', 'cat /note; hostname; ls /own 2>&1 | grep -c "No such"')).toBe('2\ncopy\n1\n')
    expect(await lxc.ok('config', 'get', 'copy', 'volatile.uuid')).toBe(uuid)
    expect([await macOf('copy'), await lxc.rows('list', '-c', '4', 'copy')]).toEqual([mac, address])
    expect(await macOf('source')).not.toBe(mac)
    await lxc.ok('stop', 'copy', '--force')
    await lxc.ok('restore', 'copy', 's1')
    await lxc.ok('start', 'copy')
    expect(await sh('copy', 'cat /note')).toBe('1\n')
  })

  test('leaves the snapshots alone with --instance-only, and refuses what makes no sense', async () => {
    await lxc.ok('stop', 'copy', '--force')
    await lxc.ok('delete', 'copy/s2')
    await lxc.ok('copy', 'source', 'copy', '--refresh', '--instance-only')
    expect(await snapshots('copy')).toEqual(['/1.0/instances/copy/snapshots/s1'])
    const refresh = async (source: string) => {
      const body = { name: 'copy', source: { type: 'copy', source, refresh: true } }
      const { status, body: answer } = await lxc.windlass.call('POST', '/1.0/instances', body)
      return [status, fieldOf(answer, 'error')]
    }
    expect(await refresh('copy')).toEqual([400, 'An instance cannot be refreshed from itself'])
    expect(await refresh('source/s1')).toEqual([400, 'A copy is refreshed from an instance, not from a snapshot'])
    expect(await refresh('nosuch')).toEqual([404, expect.stringContaining('Instance not found')])
    // Nothing of the containers before is left, and nothing at all of what is deleted.
    const { text } = await askEngine(lxc.windlass.engine.socket, 'GET', '/containers/json?all=true')
    expect(JSON.parse(text)).toHaveLength(2)
    expect(await ownTags()).toHaveLength(1)
    await lxc.ok('delete', '--force', 'copy', 'source')
    expect(await ownTags()).toEqual([])
  })

  test('a size of the root disk is kept, and said not to be enforced', async () => {
    const devices = { root: { type: 'disk', path: '/', pool: 'default', size: '200MiB' } }
    const source = { type: 'image', alias: 'busybox' }
    const warning = expect.stringContaining("root disk's size of 200MiB is kept, but Docker Engine does not enforce it")
    const made = await lxc.windlass.operate('POST', '/1.0/instances', { name: 'sized', source, devices })
    expect(made).toMatchObject({ status: 'Success', windlass: { warnings: [warning] } })
    const body = { devices: {}, profiles: ['default'], config: {} }
    expect(await lxc.windlass.operate('PUT', '/1.0/instances/sized', body)).toMatchObject({
      windlass: { warnings: [] },
    })
    expect(await lxc.windlass.operate('PUT', '/1.0/instances/sized', { ...body, devices })).toMatchObject({
      windlass: { warnings: [warning] },
    })
    expect(await lxc.fails('project', 'create', 'p', '-c', 'limits.disk=1GiB')).toContain('cannot limit the space')
  })
})
