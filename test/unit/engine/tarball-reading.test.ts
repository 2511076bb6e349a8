import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decompressed } from '../../../src/engine/docker/decompress.ts'
import { readTar, type TarEntry } from '../../../src/engine/docker/tar-reader.ts'
import { inPieces, makeEntry, makeTar } from './tarball-archives.ts'

const run = promisify(execFile)

async function readAll(bytes: Buffer, size?: number) {
  const result: (Omit<TarEntry, 'body'> & { content: string })[] = []
  for await (const { body, ...entry } of readTar(inPieces(bytes, size))) {
    const chunks: Buffer[] = []
    for await (const chunk of body()) chunks.push(chunk)
    result.push({ ...entry, content: Buffer.concat(chunks).toString('latin1') })
  }
  return result
}

const names = async (bytes: Buffer) => (await readAll(bytes)).map(({ name }) => name)

test('what is written is read again, byte for byte', async () => {
  const capability = Buffer.from('0100000280000000000000000000000000000000', 'hex')
  const long = `${'d/'.repeat(120)}${'x'.repeat(200)}`
  const bytes = makeTar([
    { name: 'dir', type: 'directory', mode: 0o1777 },
    { name: 'dir/caf\u00e9', content: 'latin1 name', mode: 0o4755, uid: 4_000_000_000, gid: 3, mtime: 1_700_000_000 },
    { name: long, content: 'long name' },
    { name: 'ping', content: 'x', xattrs: new Map([['security.capability', capability]]) },
    { name: 'soft', type: 'symlink', linkname: `../${long}` },
    { name: 'hard', type: 'link', linkname: 'ping' },
    { name: 'pipe', type: 'fifo' },
    { name: 'empty' },
  ])
  for (const size of [1, 511, 512, 513, 100_000]) {
    const entries = await readAll(bytes, size)
    expect(entries.map(({ name }) => name)).toEqual([
      'dir/',
      'dir/caf\u00e9',
      long,
      'ping',
      'soft',
      'hard',
      'pipe',
      'empty',
    ])
    expect(entries[1]).toMatchObject({
      uid: 4_000_000_000,
      gid: 3,
      mode: 0o4755,
      mtime: 1_700_000_000,
      content: 'latin1 name',
    })
    expect(entries[2]?.content).toBe('long name')
    expect(entries[3]?.xattrs.get('security.capability')).toEqual(capability)
    expect(entries[4]?.linkname).toBe(`../${long}`)
  }
})

test.each(['gnu', 'pax', 'ustar', 'v7'])('the %s format of GNU tar is read', async (format) => {
  const directory = await mkdtemp(join(tmpdir(), 'windlass-tar-'))
  try {
    const long = `${'n'.repeat(90)}.txt`
    await writeFile(join(directory, long), 'hello')
    await symlink(long, join(directory, 'link'))
    const { stdout } = await run('tar', ['-C', directory, `--format=${format}`, '-c', 'link', long], {
      encoding: 'buffer',
    })
    const entries = await readAll(stdout)
    expect(entries.map(({ name, content, linkname }) => ({ name, content, linkname }))).toEqual([
      { name: 'link', content: '', linkname: long },
      { name: long, content: 'hello', linkname: '' },
    ])
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a body that is not read is skipped', async () => {
  expect(
    await names(
      makeTar([
        { name: 'a', content: 'x'.repeat(5000) },
        { name: 'b', content: 'y' },
      ]),
    ),
  ).toEqual(['a', 'b'])
})

test('garbage, damage and a missing end are told apart', async () => {
  const good = makeTar([{ name: 'a', content: 'x'.repeat(3000) }, { name: 'b' }])
  const broken = Buffer.from(good)
  broken.fill(0xff, 512 + 3072, 512 + 3072 + 8)
  await expect(readAll(Buffer.alloc(3000, 'no tar'))).rejects.toThrow('Unsupported compression')
  await expect(readAll(Buffer.from('short'))).rejects.toThrow('Unsupported compression')
  await expect(readAll(Buffer.alloc(0))).rejects.toThrow('Unsupported compression')
  await expect(readAll(broken)).rejects.toThrow('a header is broken')
  await expect(readAll(good.subarray(0, 2000))).rejects.toThrow('it ends too early')
  await expect(readAll(good.subarray(0, -1024))).rejects.toThrow('its end is missing')
})

test('sparse files and endless headers are refused', async () => {
  const sparse = Buffer.from(makeTar([{ name: 'a' }]))
  sparse.write('S', 156)
  sparse.write(`${sumOf(sparse).toString(8).padStart(6, '0')}\0 `, 148)
  await expect(readAll(sparse)).rejects.toThrow('Sparse')
  const header = makeEntry({ name: 'x'.repeat(200) }).subarray(0, 512)
  header.write('77777777777', 124)
  header.write(`${sumOf(header).toString(8).padStart(6, '0')}\0 `, 148)
  await expect(readAll(Buffer.concat([header, Buffer.alloc(2048)]))).rejects.toThrow('header of more than')
})

function sumOf(block: Buffer): number {
  return block.subarray(0, 512).reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0)
}

test('gzip, xz, zstd and plain archives unpack to the same', async () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(100_000) }])
  const xz = run('xz', ['--compress', '--stdout'], { encoding: 'buffer' })
  xz.child.stdin?.end(tar)
  for (const packed of [tar, gzipSync(tar), zstdCompressSync(tar), (await xz).stdout]) {
    let read = 0
    const chunks: Buffer[] = []
    for await (const chunk of decompressed(inPieces(packed), (bytes) => (read = bytes))) chunks.push(chunk)
    expect(Buffer.concat(chunks)).toEqual(tar)
    expect(read).toBe(packed.length)
  }
})

test('what bzip2 and lzma have packed is unpacked', async () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(100_000) }])
  for (const [program, ...args] of [['bzip2'], ['xz', '--format=lzma']] as const) {
    const packing = run(program, [...args, '--compress', '--stdout'], { encoding: 'buffer' })
    packing.child.stdin?.end(tar)
    const chunks: Buffer[] = []
    for await (const chunk of decompressed(inPieces((await packing).stdout), () => undefined)) chunks.push(chunk)
    expect(Buffer.concat(chunks)).toEqual(tar)
  }
})

test('what only looks like a squashfs is refused, with the program to install or as damaged', async () => {
  await expect(drain(Buffer.from(`hsqs${'x'.repeat(100_000)}`))).rejects.toThrow(/install squashfs-tools-ng|is damaged/)
})

test('a truncated or broken compression is a bad request that says so', async () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(100_000) }])
  const xz = run('xz', ['--compress', '--stdout'], { encoding: 'buffer' })
  xz.child.stdin?.end(tar)
  for (const packed of [gzipSync(tar), zstdCompressSync(tar), (await xz).stdout]) {
    await expect(drain(packed.subarray(0, -20))).rejects.toThrow('The tarball is damaged')
    const broken = Buffer.from(packed)
    broken.fill(0, 8, 24)
    await expect(drain(broken)).rejects.toThrow('The tarball is damaged')
  }
})

async function drain(packed: Buffer): Promise<void> {
  for await (const _ of readTar(decompressed(inPieces(packed), () => undefined))) continue
}

test('a stream that fails keeps its own failure', async () => {
  const failing = inPieces(gzipSync(Buffer.alloc(1000)), 10)
  failing.once('data', () => failing.destroy(new Error('the engine went away')))
  await expect(async () => {
    for await (const _ of decompressed(failing, () => undefined)) continue
  }).rejects.toThrow('the engine went away')
})

test('a bomb is refused long before it is unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 })
  const many = Buffer.concat(Array.from({ length: 40 }, () => bomb))
  const before = process.memoryUsage().rss
  await expect(async () => {
    for await (const _ of decompressed(inPieces(many, 65_536), () => undefined)) continue
  }).rejects.toThrow('unpacks to more than 200 times its size')
  expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024)
})
