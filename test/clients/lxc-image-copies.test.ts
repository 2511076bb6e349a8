/** LXD's own command line with two servers: images that are copied in every mode, and instances made of the other's images. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'
import { metadataTar, rootfsTar, unifiedTar } from '../support/split-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

describe.skipIf(LXC === undefined)('lxc between two servers', () => {
  let lxc: LxcOnWindlass
  let other: TestWindlass
  let rootfs: Buffer
  let fingerprint: string
  beforeAll(async () => {
    const env = { WINDLASS_HTTPS: '127.0.0.1:0' }
    lxc = await startLxc({ workers: 1, env })
    other = await startWindlass({ workers: 1, env })
    const metadata = metadataTar()
    rootfs = gzipSync(await rootfsTar())
    fingerprint = createHash('sha256').update(metadata).update(rootfs).digest('hex')
    await keep('meta.tar', metadata)
    await keep('rootfs.tar.gz', rootfs)
    await lxc.ok('image', 'import', 'meta.tar', 'rootfs.tar.gz', '--alias', 'split')
    // Once by its socket, which needs no trust, and once over HTTPS, where a server can reach it as well.
    await lxc.ok('remote', 'add', 'near', `unix://${other.socket}`)
    await lxc.ok('remote', 'switch', 'near')
    const token = await lxc.ok('config', 'trust', 'add', '--name', 'here', '--quiet')
    await lxc.ok('remote', 'switch', 'local')
    await lxc.ok('remote', 'add', 'there', token.trim())
  })
  afterAll(async () => {
    await lxc?.[Symbol.asyncDispose]()
    await other?.[Symbol.asyncDispose]()
  })

  const keep = (name: string, bytes: Buffer) => writeFile(join(lxc.directory, name), bytes)
  const images = (remote: string) => lxc.rows('image', 'list', remote, '-c', 'lF')
  const sameThere = async (name: string) => {
    await lxc.ok('image', 'export', `there:${name}`, 'copied')
    expect((await readFile(join(lxc.directory, 'copied.root'))).equals(rootfs)).toBe(true)
    expect(await lxc.ok('image', 'get-property', `there:${name}`, 'os')).toBe('Booting\n')
  }

  test('an image is copied by the server that is to have it', async () => {
    await lxc.ok('image', 'copy', 'split', 'near:', '--alias', 'copied', '--copy-aliases')
    expect(await images('near:')).toEqual([expect.stringContaining(fingerprint)])
    await sameThere('copied')
    // As with LXD: what is there already is what was wanted.
    await lxc.ok('image', 'copy', 'split', 'near:')
    expect(await images('near:')).toHaveLength(1)
    expect(await lxc.fails('image', 'refresh', 'split')).toMatch(/^Failed to update image .* Image source not found$/)
    expect(await lxc.fails('launch', 'ubuntu:22.04', 'u1')).toContain('Set WINDLASS_REGISTRY')
    await lxc.ok('image', 'delete', 'there:copied')
  })

  test('an image is pushed by the server that has it', async () => {
    await lxc.ok('image', 'copy', 'split', 'there:', '--mode=push', '--alias', 'pushed', '--copy-aliases')
    expect(await images('there:')).toEqual([expect.stringContaining(fingerprint)])
    await sameThere('pushed')
    expect(await lxc.fails('image', 'copy', 'split', 'there:', '--mode=push')).toContain(
      'Image with same fingerprint already exists',
    )
    await lxc.ok('image', 'delete', 'there:pushed')
    expect(await lxc.fails('image', 'copy', 'split', 'near:', '--mode=push')).toContain('https://host:8443')
    expect(await lxc.fails('image', 'copy', 'busybox', 'there:', '--mode=push', '--auto-update')).toContain('pull mode')
  })

  test('an image is relayed by the client', async () => {
    await lxc.ok('image', 'copy', 'split', 'there:', '--mode=relay', '--alias', 'relayed')
    await sameThere('relayed')
    await lxc.ok('image', 'delete', 'there:relayed')
  })

  test("an instance is made of the other server's image, which is kept as a cached one", async () => {
    await keep('own.tar.gz', gzipSync(await unifiedTar(), { level: 1 }))
    await lxc.ok('image', 'import', 'own.tar.gz', 'there:', '--alias', 'own')
    await lxc.ok('launch', 'there:own', 'l1')
    expect(await lxc.ok('file', 'pull', 'l1/etc/greeting', '-')).toBe('hello from l1, create\n')
    expect(await lxc.ok('config', 'get', 'l1', 'image.os')).toBe('Booting\n')
    const base = (await lxc.ok('config', 'get', 'l1', 'volatile.base_image')).trim()
    expect(await lxc.ok('image', 'info', base)).toMatch(/Cached: yes/)
    await lxc.ok('init', 'there:own', 'l2')
    expect(await lxc.ok('config', 'get', 'l2', 'volatile.base_image')).toBe(`${base}\n`)
    await lxc.ok('delete', '-f', 'l1', 'l2')
  })

  test('a public image is followed by its alias', async () => {
    await keep('open.tar.zst', zstdCompressSync(await unifiedTar()))
    await lxc.ok('image', 'import', 'open.tar.zst', 'there:', '--alias', 'open', '--public')
    await lxc.ok('init', 'there:open', 'l3')
    const base = (await lxc.ok('config', 'get', 'l3', 'volatile.base_image')).trim()
    expect(await lxc.ok('image', 'info', base)).toMatch(/Auto update: enabled[^]*Alias: open/)
    await lxc.ok('image', 'copy', 'there:open', 'local:', '--alias', 'mine', '--auto-update')
    expect(await lxc.ok('image', 'info', 'mine')).toMatch(/Cached: no/)
    await lxc.ok('image', 'refresh', 'mine')
    await keep('next.tar.zst', zstdCompressSync(await unifiedTar(), { params: { 100: 9 } }))
    await lxc.ok('image', 'delete', 'there:open')
    await lxc.ok('image', 'import', 'next.tar.zst', 'there:', '--alias', 'open', '--public')
    expect(await lxc.ok('image', 'refresh', 'mine')).toContain('Image refreshed successfully!')
    expect(await lxc.ok('image', 'info', 'mine')).not.toContain(base)
    expect(await lxc.fails('init', 'there:nosuch', 'l4')).toContain('not found')
    await lxc.ok('delete', 'l3')
  })
})
