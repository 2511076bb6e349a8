/** LXD's own command line on images in LXD's own formats, and on what they bring along for their instances. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'
import { metadataTar, rootfsTar, unifiedTar } from '../support/split-image.ts'

const run = promisify(execFile)

describe.skipIf(LXC === undefined)('lxc', () => {
  let lxc: LxcOnWindlass
  let metadata: Buffer
  let rootfs: Buffer
  let fingerprint: string
  beforeAll(async () => {
    lxc = await startLxc()
    metadata = metadataTar()
    rootfs = gzipSync(await rootfsTar())
    fingerprint = createHash('sha256').update(metadata).update(rootfs).digest('hex')
    await keep('meta.tar', metadata)
    await keep('rootfs.tar.gz', rootfs)
    expect(await lxc.ok('image', 'import', 'meta.tar', 'rootfs.tar.gz', '--alias', 'split')).toContain(
      `Image imported with fingerprint: ${fingerprint}`,
    )
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  const keep = (name: string, bytes: Buffer) => writeFile(join(lxc.directory, name), bytes)
  const cat = (name: string, path: string) => lxc.ok('file', 'pull', `${name}${path}`, '-')

  test('an image in two files comes out as it went in', async () => {
    expect(await lxc.ok('image', 'show', 'split')).toMatch(/ {2}os: Booting\n {2}release: one\n/)
    await lxc.ok('image', 'export', 'split', 'out')
    expect((await readFile(join(lxc.directory, 'out'))).equals(metadata)).toBe(true)
    expect((await readFile(join(lxc.directory, 'out.root'))).equals(rootfs)).toBe(true)
    expect(await lxc.fails('image', 'import', 'meta.tar', 'rootfs.tar.gz')).toBe(
      'Image with same fingerprint already exists',
    )
    expect(await lxc.fails('image', 'import', 'rootfs.tar.gz', 'rootfs.tar.gz')).toBe(
      'Metadata tarball is missing metadata.yaml',
    )
  })

  test('an image tells when it was used last; who edits it meanwhile is not disturbed', async () => {
    expect(await lxc.ok('image', 'info', 'split')).toMatch(/^ +Last used: never$/m)
    const path = `/1.0/images/${fingerprint}`
    const { etag = '' } = (await lxc.windlass.call('GET', path)).headers
    await lxc.ok('init', 'split', 'u1')
    await lxc.ok('delete', 'u1')
    expect(await lxc.ok('image', 'info', 'split')).toMatch(/^ +Last used: \d{4}\//m)
    const edited = await lxc.windlass.call('PATCH', path, { public: false }, { 'if-match': etag })
    expect(edited.status).toBe(200)
  })

  test('an image comes in packed in every way, and as a directory', async () => {
    const plain = await unifiedTar()
    await keep('plain.tar', plain)
    await keep('packed.tar.zst', zstdCompressSync(plain))
    for (const [program, ...more] of [['xz', '-0'], ['bzip2'], ['xz', '--format=lzma', '-0', '--suffix=.lzma']])
      await run(program ?? '', [...more, '--keep', 'plain.tar'], { cwd: lxc.directory })
    for (const name of ['plain.tar', 'packed.tar.zst', 'plain.tar.xz', 'plain.tar.bz2', 'plain.tar.lzma']) {
      await lxc.ok('image', 'import', name, '--alias', name)
      expect(await lxc.ok('image', 'get-property', name, 'release')).toBe('one\n')
    }
    const folder = join(lxc.directory, 'folder')
    await mkdir(folder)
    await run('tar', ['-C', folder, '-xf', join(lxc.directory, 'plain.tar')])
    await lxc.ok('image', 'import', 'folder', '--alias', 'folder')
    await lxc.ok('init', 'folder', 'f1')
    expect(await lxc.ok('config', 'template', 'list', 'f1')).toContain('greeting.tpl')
    await lxc.ok('delete', 'f1')
  })

  test('a new instance boots its init with the files of its templates', async () => {
    await lxc.ok('init', 'split', 's1')
    expect(await lxc.ok('config', 'get', 's1', 'volatile.apply_template')).toBe('create\n')
    await lxc.ok('config', 'set', 's1', 'user.user-data=#cloud-config\nhostname: x')
    await lxc.ok('start', 's1')
    expect(await lxc.ok('exec', 's1', '--', 'sh', '-c', 'tr "\\0" " " < /proc/1/cmdline')).toMatch(/^(\/sbin\/)?init/)
    expect(await lxc.ok('config', 'get', 's1', 'volatile.apply_template')).toBe('\n')
    expect(await cat('s1', '/etc/greeting')).toBe('hello from s1, create\n')
    expect(await cat('s1', '/etc/started')).toBe('calm\n')
    expect(await cat('s1', '/etc/passwd')).not.toContain('hello')
    const seed = '/var/lib/cloud/seed/nocloud-net'
    expect(await cat('s1', `${seed}/user-data`)).toBe('#cloud-config\nhostname: x')
    expect(await cat('s1', `${seed}/network-config`)).toBe('version: 1\nconfig: disabled\n')
    const id = /^instance-id: (\S+)\nlocal-hostname: s1$/m.exec(await cat('s1', `${seed}/meta-data`))?.[1]
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    await lxc.ok('config', 'set', 's1', 'user.mood', 'merry')
    await lxc.ok('restart', 's1', '--force')
    expect(await cat('s1', '/etc/started')).toBe('merry\n')
    await lxc.ok('copy', 's1', 's2')
    await lxc.ok('start', 's2')
    expect(await cat('s2', '/etc/greeting')).toBe('hello from s2, copy\n')
    expect(await cat('s2', `${seed}/meta-data`)).not.toContain(id)
    await lxc.ok('delete', '-f', 's2')
  })

  test('metadata and templates of an instance are shown and changed', async () => {
    expect(await lxc.ok('config', 'metadata', 'show', 's1')).toMatch(
      /^architecture: x86_64\ncreation_date: 1700000000\n[^]*\n {2}\/etc\/greeting:\n {4}when:\n {4}- create\n/,
    )
    expect(await lxc.ok('config', 'template', 'show', 's1', 'greeting.tpl')).toContain('{{ properties.word }}')
    await lxc.ok('config', 'template', 'create', 's1', 'more.tpl')
    await lxc.feed('more of {{ config.user.mood }}', 'config', 'template', 'edit', 's1', 'more.tpl')
    expect(await lxc.ok('config', 'template', 'show', 's1', 'more.tpl')).toBe('more of {{ config.user.mood }}')
    const shown = await lxc.ok('config', 'metadata', 'show', 's1')
    const added = shown.replace('templates:\n', 'templates:\n  /etc/more:\n    when: [start]\n    template: more.tpl\n')
    await lxc.feed(added, 'config', 'metadata', 'edit', 's1')
    await lxc.ok('restart', 's1', '--force')
    expect(await cat('s1', '/etc/more')).toBe('more of merry')
    await lxc.ok('config', 'template', 'delete', 's1', 'started.tpl')
    expect(await lxc.ok('config', 'template', 'list', 's1')).not.toContain('started.tpl')
    expect(await lxc.fails('config', 'template', 'show', 's1', 'started.tpl')).toBe('Template "started.tpl" not found')
    expect(await lxc.fails('config', 'template', 'show', 'nosuch', 'x')).toBe('Instance not found')
  })

  test('a published instance has its templates, however it is packed', async () => {
    await lxc.ok('stop', 's1', '--force')
    for (const packer of ['xz', 'bzip2', 'gzip', 'zstd', 'none', 'lzma']) {
      const named = ['--alias', `p-${packer}`, 'version=2', `by=${packer}`]
      const expiry = ['--expire', '2040-01-02T03:04:05Z']
      await lxc.ok('publish', 's1', '--compression', packer, '--public', ...expiry, ...named)
      expect(await lxc.ok('image', 'show', `p-${packer}`)).toMatch(/expires_at: 2040-01-02T03:04:05Z/)
    }
    await lxc.ok('image', 'export', 'p-none', 'plain')
    const { stdout } = await run('tar', ['-xOf', 'plain.tar', 'metadata.yaml'], { cwd: lxc.directory })
    expect(stdout).toContain(`expiry_date: ${Date.UTC(2040, 0, 2, 3, 4, 5) / 1000}\n`)
    await lxc.ok('image', 'export', 'p-bzip2', 'again')
    await lxc.ok('image', 'delete', 'p-bzip2')
    await lxc.ok('image', 'import', 'again.tar.bz2', '--alias', 'again')
    await lxc.ok('launch', 'again', 's3')
    expect(await cat('s3', '/etc/greeting')).toBe('hello from s3, create\n')
    expect(await lxc.ok('config', 'metadata', 'show', 's3')).toMatch(/ {2}by: bzip2\n[^]* {2}version: "2"\n/)
    expect(await lxc.fails('publish', 's1', '--compression', 'rm -rf')).toContain('Unsupported compression algorithm')
  })
})
