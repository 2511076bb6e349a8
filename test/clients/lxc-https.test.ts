/** Windlass as an HTTPS remote of LXD's own command line: trust tokens, the trust password, restricted certificates. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcClient, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc over HTTPS', () => {
  let lxc: LxcOnWindlass
  let url: string
  beforeAll(async () => {
    lxc = await startLxc({ env: { WINDLASS_HTTPS: '127.0.0.1:0', LOG_LEVEL: 'debug' } })
    url = lxc.windlass.api.https ?? ''
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const trust = (...words: string[]) => lxc.ok('config', 'trust', ...words)
  const invite = async (name: string, ...words: string[]) =>
    (await trust('add', '--name', name, '--quiet', ...words)).trim()
  const byPassword = (client: LxcClient, secret: string) =>
    client.run(['remote', 'add', 'w', url, '--accept-certificate', '--password', secret])
  const certificates = () => lxc.rows('config', 'trust', 'list')
  const fingerprintOf = async (name: string): Promise<string> =>
    (await certificates()).find((row) => row.split(',')[1] === name)?.split(',')[3] ?? ''

  test('a trust token makes a remote, once', async () => {
    const token = await invite('laptop')
    expect(JSON.parse(Buffer.from(token, 'base64').toString())).toEqual({
      client_name: 'laptop',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      addresses: [url.slice('https://'.length)],
      secret: expect.stringMatching(/^[0-9a-f]{64}$/),
      expires_at: '0001-01-01T00:00:00Z',
    })
    expect(await trust('list-tokens')).toContain(`| laptop | ${token} |`)
    const laptop = await lxc.other()
    await laptop.ok('remote', 'add', 'w', token)
    expect(await certificates()).toEqual([expect.stringMatching(/^client,laptop,.+,[0-9a-f]{12},/)])
    expect(await trust('list-tokens')).not.toContain('laptop')
    expect(await laptop.fails('remote', 'add', 'w2', token)).toContain('Client is already trusted')
    expect(await (await lxc.other()).fails('remote', 'add', 'w', token)).toContain('not authorized')
  })

  test('a trust token can be revoked', async () => {
    const token = await invite('never')
    expect(await trust('revoke-token', 'never')).toBe('Certificate add token for never deleted\n')
    expect(await (await lxc.other()).fails('remote', 'add', 'w', token)).toContain('not authorized')
  })

  test('the trust password makes one where it is set', async () => {
    const desk = await lxc.other()
    expect((await byPassword(desk, 'open sesame')).stderr).toContain('not authorized')
    await lxc.ok('config', 'set', 'core.trust_password', 'open sesame')
    expect(await lxc.ok('config', 'show')).toContain('core.trust_password: true\n')
    expect((await byPassword(desk, 'close sesame')).stderr).toContain('not authorized')
    expect(await byPassword(desk, 'open sesame')).toMatchObject({
      code: 0,
      stdout: 'Client certificate now trusted by server: w\n',
    })
    await lxc.ok('config', 'set', 'user.site', 'lab')
    expect((await byPassword(await lxc.other(), 'open sesame')).code).toBe(0)
    await lxc.ok('config', 'unset', 'core.trust_password')
    expect((await byPassword(await lxc.other(), 'open sesame')).stderr).toContain('not authorized')
  })

  test('core.https_address is the listener, and cannot be moved', async () => {
    const address = url.slice('https://'.length)
    expect(await lxc.ok('config', 'get', 'core.https_address')).toBe(`${address}\n`)
    await lxc.ok('config', 'set', 'core.https_address', address)
    expect(await lxc.fails('config', 'set', 'core.https_address', '[::]:8443')).toContain('WINDLASS_HTTPS')
    expect(await lxc.fails('config', 'unset', 'core.https_address')).toContain('WINDLASS_HTTPS')
  })

  test('a certificate in a file is trusted, shown, edited and removed', async () => {
    const client = await lxc.other()
    await client.run(['remote', 'add', 'w', url, '--accept-certificate', '--password', 'x'])
    const file = join(client.directory, 'client.crt')
    await trust('add', file, '--name', 'by-file')
    expect(await lxc.fails('config', 'trust', 'add', file)).toContain('Certificate already in trust store')
    await client.ok('remote', 'add', 'w', url, '--accept-certificate')
    expect(await client.ok('list', 'w:', '--format', 'csv')).toBe('')
    const fingerprint = await fingerprintOf('by-file')
    const shown = await trust('show', fingerprint)
    expect(shown).toContain('name: by-file\ntype: client\nrestricted: false\nprojects: []\n')
    await lxc.feed(shown.replace('name: by-file', 'name: edited'), 'config', 'trust', 'edit', fingerprint)
    expect(await trust('show', fingerprint)).toContain('name: edited\n')
    await trust('remove', fingerprint)
    expect(await lxc.fails('config', 'trust', 'remove', fingerprint)).toBe('Certificate not found')
    // What is no longer trusted sees what a stranger sees.
    expect(await client.fails('list', 'w:')).toBe('not authorized')
    expect(await client.fails('query', 'w:/1.0/instances')).toBe('not authorized')
    expect(await client.ok('info', 'w:')).toContain('auth: untrusted\n')
    expect(await client.rows('image', 'list', 'w:')).toEqual([''])
    await lxc.ok(
      'image',
      'alias',
      'create',
      'shared',
      await lxc.ok('image', 'list', '-c', 'F', '--format', 'csv').then((text) => text.trim()),
    )
    expect(await client.fails('image', 'info', 'w:shared')).toContain('not found')
    const image = await lxc.ok('image', 'show', 'shared')
    await lxc.feed(image.replace('public: false', 'public: true'), 'image', 'edit', 'shared')
    expect(await client.rows('image', 'list', 'w:', '-c', 'p')).toEqual(['yes'])
    await client.ok('image', 'info', 'w:shared')
    await client.ok('image', 'export', 'w:shared', join(client.directory, 'exported'))
    await lxc.feed(image, 'image', 'edit', 'shared')
    expect(await client.fails('image', 'info', 'w:shared')).toContain('not found')
  })

  test('everything goes over the remote as over the socket', async () => {
    const client = await lxc.other()
    await client.ok('remote', 'add', 'w', await invite('worker'))
    await client.ok('remote', 'switch', 'w')
    await using monitor = client.monitor('--type', 'lifecycle')
    expect(await client.ok('launch', 'busybox', 'h1')).toBe('Creating h1\nStarting h1\n')
    expect(await client.rows('list', '-c', 'ns')).toEqual(['h1,RUNNING'])
    expect(await client.ok('exec', 'h1', '--', 'echo', 'hello')).toBe('hello\n')
    await client.ok('config', 'set', 'h1', 'user.a', 'b')
    await client.ok('snapshot', 'h1', 's0')
    expect(await client.ok('info', 'h1')).toContain('| s0   |')
    await client.ok('delete', '-f', 'h1')
    const printed = await monitor.until((text) => text.includes('instance-deleted'))
    expect(printed).toContain('protocol: tls')
    expect(printed).toContain('action: instance-snapshot-created')
  })

  test('a restricted certificate is bound to its projects', async () => {
    await lxc.ok('project', 'create', 'shop')
    const client = await lxc.other()
    await client.ok(
      'remote',
      'add',
      'w',
      await invite('shop', '--restricted', '--projects', 'shop'),
      '--project',
      'shop',
    )
    await client.ok('remote', 'switch', 'w')
    expect(await trust('show', await fingerprintOf('shop'))).toContain('restricted: true\nprojects:\n- shop\n')
    await lxc.ok('init', '--empty', 'ours', '--project', 'default')
    await client.ok('init', '--empty', 'theirs', '-s', 'default')
    expect(await client.rows('list', '-c', 'n', '--all-projects')).toEqual(['theirs'])
    expect(await client.rows('project', 'list')).toEqual([expect.stringMatching(/^shop \(current\),/)])
    expect(await client.fails('list', '--project', 'default', '--format', 'csv').catch(() => '')).not.toContain('ours')
    expect(await client.fails('config', 'show', 'ours', '--project', 'default')).toContain('not found')
    expect(await client.fails('delete', 'ours', '--project', 'default')).toContain('not found')
    expect(await client.fails('config', 'trust', 'add', '--name', 'more')).toContain('not authorized')
    expect(await client.fails('config', 'set', 'core.trust_password', 'x')).toContain('not authorized')
    expect(await client.fails('project', 'create', 'more')).toContain('not authorized')
    expect(await client.rows('config', 'trust', 'list')).toEqual([expect.stringContaining('client,shop,')])
    await client.ok('delete', 'theirs')
    await lxc.ok('delete', 'ours')
    await lxc.ok('project', 'rename', 'shop', 'store')
    expect(await trust('show', await fingerprintOf('shop'))).toContain('projects:\n- store\n')
    await lxc.ok('project', 'delete', 'store')
    expect(await trust('show', await fingerprintOf('shop'))).toContain('restricted: true\nprojects: []\n')
  })

  test('nothing secret is written down where it can be read', async () => {
    const { api, dataDir } = lxc.windlass
    const key = await readFile(join(dataDir, 'server.key'), 'utf8')
    expect((await stat(join(dataDir, 'server.key'))).mode & 0o777).toBe(0o600)
    expect(api.output()).toContain('"level":20')
    expect(api.output()).not.toMatch(/sesame|PRIVATE KEY/)
    expect(await lxc.ok('query', '/1.0')).not.toContain(key.split('\n')[1])
    expect(await lxc.ok('query', '/1.0/operations?history=true')).not.toContain('sesame')
  })
})
