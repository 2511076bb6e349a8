/** Windlass as an HTTPS remote of LXD's own command line: trust tokens, the trust password, restricted certificates. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc over HTTPS', () => {
  let lxc: LxcOnWindlass
  let url: string
  beforeAll(async () => {
    lxc = await startLxc({ env: { WINDLASS_HTTPS: '127.0.0.1:0' } })
    url = lxc.windlass.api.https ?? ''
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const invite = async (name: string, ...words: string[]) =>
    (await lxc.ok('config', 'trust', 'add', '--name', name, '--quiet', ...words)).trim()

  test('a trust token makes a remote, once', async () => {
    const token = await invite('laptop')
    expect(JSON.parse(Buffer.from(token, 'base64').toString())).toEqual({
      client_name: 'laptop',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      addresses: [url.slice('https://'.length)],
      secret: expect.stringMatching(/^[0-9a-f]{64}$/),
      expires_at: '0001-01-01T00:00:00Z',
    })
    expect(await lxc.ok('config', 'trust', 'list-tokens')).toContain(`| laptop | ${token} |`)
    const laptop = await lxc.other()
    await laptop.ok('remote', 'add', 'w', token)
    expect(await lxc.rows('config', 'trust', 'list')).toEqual([
      expect.stringMatching(/^client,laptop,.+,[0-9a-f]{12},/),
    ])
    expect(await lxc.ok('config', 'trust', 'list-tokens')).not.toContain('laptop')
    expect(await laptop.fails('remote', 'add', 'w2', token)).toContain('Client is already trusted')
    expect(await (await lxc.other()).fails('remote', 'add', 'w', token)).toContain('not authorized')
  })
})
