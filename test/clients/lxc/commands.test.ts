/** Commands of lxc that no other file runs, those that are refused, and whether `COVERAGE.md` names every command there is. */
import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../../support/lxc.ts'

const run = promisify(execFile)

const COVERAGE = 'test/clients/lxc/COVERAGE.md'

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc({ workers: 1 })
    await lxc.ok('init', 'busybox', 'c0')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  test('every command is in the table, with a test that is there', async () => {
    const rows = (await readFile(COVERAGE, 'utf8')).matchAll(/^\| `([a-z -]+)` \| ([^|]+) \| ([^|]+) \|$/gm)
    const told = new Map(
      [...rows].map(([, command = '', what = '', file = '']) => [command, { what, file: file.trim() }]),
    )
    expect([...told.keys()].toSorted()).toEqual((await commandsOf(LXC ?? '')).toSorted())
    for (const { file } of told.values()) await access(`test/clients/${file}`)
  })

  test("the client's own words for commands and servers", async () => {
    await lxc.ok('alias', 'add', 'ls', 'list -c n --format csv')
    expect(await lxc.ok('ls')).toBe('c0\n')
    await lxc.ok('alias', 'rename', 'ls', 'names')
    expect(await lxc.ok('alias', 'list')).toContain('| names | list -c n --format csv |')
    await lxc.ok('alias', 'remove', 'names')
    await lxc.ok('remote', 'add', 'again', `unix://${lxc.windlass.socket}`)
    await lxc.ok('remote', 'set-url', 'again', `unix://${lxc.windlass.socket}`)
    expect(await lxc.ok('list', 'again:', '-c', 'n', '--format', 'csv')).toBe('c0\n')
    await lxc.ok('remote', 'rename', 'again', 'other')
    await lxc.ok('remote', 'switch', 'other')
    expect(await lxc.ok('remote', 'get-default')).toBe('other\n')
    await lxc.ok('remote', 'switch', 'local')
    await lxc.ok('remote', 'remove', 'other')
    expect(await lxc.ok('remote', 'list')).not.toContain('other')
    expect(await lxc.ok('help')).toContain('Available Commands')
    await lxc.ok('manpage', lxc.directory)
  })

  test('devices of instances and profiles, a property at a time', async () => {
    await lxc.ok('config', 'device', 'add', 'c0', 'data', 'disk', 'source=/tmp', 'path=/data', 'readonly=true')
    expect(await lxc.ok('config', 'device', 'get', 'c0', 'data', 'path')).toBe('/data\n')
    await lxc.ok('config', 'device', 'unset', 'c0', 'data', 'readonly')
    expect(await lxc.ok('config', 'device', 'list', 'c0')).toBe('data\n')
    await lxc.ok('profile', 'create', 'p1')
    await lxc.ok('profile', 'device', 'add', 'p1', 'none', 'none')
    await lxc.ok('profile', 'device', 'add', 'p1', 'data', 'disk', 'source=/tmp', 'path=/data', 'readonly=true')
    expect(await lxc.ok('profile', 'device', 'get', 'p1', 'data', 'readonly')).toBe('true\n')
    await lxc.ok('profile', 'device', 'unset', 'p1', 'data', 'readonly')
    expect((await lxc.ok('profile', 'device', 'list', 'p1')).split('\n').toSorted()).toEqual(['', 'data', 'none'])
    expect(await lxc.ok('profile', 'device', 'show', 'p1')).toMatch(/^data:\n {2}path: \/data\n {2}source: \/tmp\n/)
  })

  test('an edit of what somebody else has changed meanwhile is refused', async () => {
    await using editor = lxc.terminal('config', 'edit', 'c0')
    await editor.until((seen) => seen.includes('description'))
    await lxc.ok('config', 'set', 'c0', 'user.by=somebody')
    editor.type(':wq\n')
    await editor.until((seen) => seen.includes("ETag doesn't match"))
  })

  test('projects are edited', async () => {
    await lxc.ok('project', 'create', 'pr1')
    await lxc.ok('project', 'set', 'pr1', 'user.k', 'v')
    const shown = await lxc.ok('project', 'show', 'pr1')
    await lxc.feed(shown.replace('description: ""', 'description: edited'), 'project', 'edit', 'pr1')
    await lxc.ok('project', 'unset', 'pr1', 'user.k')
    expect(await lxc.ok('project', 'show', 'pr1')).toMatch(
      /^ {2}features\.images: "true"\n[^]*\ndescription: edited\n/m,
    )
  })

  test('the pool and its volumes', async () => {
    expect(await lxc.ok('storage', 'get', 'default', 'source')).toMatch(/^\/.+\n$/)
    const volume = (...words: string[]) => lxc.ok('storage', 'volume', ...words)
    await volume('create', 'default', 'v1', 'user.a=b')
    await volume('set', 'default', 'v1', 'user.c=d')
    await volume('unset', 'default', 'v1', 'user.a')
    expect(await volume('show', 'default', 'v1')).toMatch(/^config:\n {2}user\.c: d\ndescription: ""\nname: v1\n/)
    await lxc.feed('config: {}\ndescription: edited\n', 'storage', 'volume', 'edit', 'default', 'v1')
    expect(await lxc.rows('storage', 'volume', 'list', 'default', 'type=custom', '-c', 'tnd')).toEqual([
      'custom,v1,edited',
    ])
    await lxc.ok('profile', 'create', 'p2')
    await volume('attach-profile', 'default', 'v1', 'p2', 'vol', '/mnt')
    expect(await lxc.ok('profile', 'device', 'get', 'p2', 'vol', 'source')).toBe('v1\n')
    await volume('detach-profile', 'default', 'v1', 'p2', 'vol')
    await volume('delete', 'default', 'v1')
  })

  test.each(REFUSED)('lxc %s is refused', async (command, why) => {
    expect(await lxc.fails(...command.split(' '))).toContain(why)
  })
})

/** What Docker Engine cannot be asked for: refused by the client, which sees that the server does not advertise it, or by the server. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['storage create p2 dir', ''],
  ['storage set default rsync.bwlimit=1', ''],
  ['storage unset default source', ''],
  ['network acl list', 'network_acl'],
  ['network acl create a1', 'network_acl'],
  ['network forward list lxdbr0', 'network_forward'],
  ['network peer list lxdbr0', 'network_peer'],
  ['network zone list', 'network_dns'],
  ['cluster enable one', 'Server is not clustered'],
  ['cluster remove one', 'Server is not clustered'],
  ['cluster group list', "isn't part of a cluster"],
]

/** The words of every command that has none below it. */
async function commandsOf(lxc: string, path: string[] = []): Promise<string[]> {
  const { stdout } = await run(lxc, [...path, '--help', ...(path.length === 0 ? ['--all'] : [])])
  const below = /Available Commands:\n((?: {2}.*\n)+)/.exec(stdout)?.[1]
  if (below === undefined) return [path.join(' ')]
  const names = below.split('\n').flatMap((line) => line.trim().split(' ')[0] || [])
  const found = await Promise.all(names.map((name) => commandsOf(lxc, [...path, name])))
  return found.flat()
}
