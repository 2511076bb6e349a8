import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract, type Header, pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { withoutNames } from '../../../src/engine/docker/image-archive.ts'
import { plainTar, unmistakableTar } from '../../../src/engine/docker/plain-tar.ts'
import { rewriteTar } from '../../../src/engine/docker/tar-rewrite.ts'

type Entry = Partial<Header> & { name: string; body?: string | Buffer }

function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const { body, ...header } of entries) tar.entry(header, Buffer.from(body ?? ''))
  tar.finalize()
  return buffer(tar)
}

async function entriesOf(tar: Buffer): Promise<Entry[]> {
  const reading = extract()
  reading.end(tar)
  const entries: Entry[] = []
  for await (const entry of reading) entries.push({ ...entry.header, body: await buffer(entry) })
  return entries
}

/** The bytes in chunks of a size that fits nothing. */
function inPieces(bytes: Buffer, size: number): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return Readable.from(pieces, { objectMode: false })
}

/** Read and written again as it is. */
function keep(bytes: Buffer): Promise<Buffer> {
  return buffer(rewriteTar(inPieces(bytes, 50), () => 'keep'))
}

describe('rewriting', () => {
  const long = `deep/${'x'.repeat(200)}/name`
  const entries: Entry[] = [
    { name: 'dir/', type: 'directory', mode: 0o750 },
    { name: 'dir/a', body: 'hello', uid: 5 },
    { name: 'dir/none' },
    { name: 'dir/hard', type: 'link', linkname: 'dir/a' },
    { name: 'dir/soft', type: 'symlink', linkname: '../out' },
    { name: long, body: Buffer.alloc(3_000, 7) },
    { name: 'ü – ñ', body: 'utf' },
  ]

  test.each([1, 7, 512, 100_000])('renames every kind of entry, in pieces of %i bytes', async (size) => {
    const renamed = rewriteTar(inPieces(await tarOf(...entries), size), ({ name, linkname, type }) => ({
      name: `v/${name}`,
      ...(type === '1' ? { linkname: `v/${linkname}` } : {}),
    }))
    const read = await entriesOf(await buffer(renamed))
    expect(read.map((one) => one.name)).toEqual(entries.map((one) => `v/${one.name}`))
    expect(read.map((one) => String(one.body))).toEqual(entries.map((one) => String(one.body ?? '')))
    expect(read[1]).toMatchObject({ uid: 5 })
    expect(read[3]).toMatchObject({ type: 'link', linkname: 'v/dir/a' })
    expect(read[4]).toMatchObject({ type: 'symlink', linkname: '../out' })
  })

  test('names that are no UTF-8 keep their bytes', async () => {
    const tar = await tarOf({ name: 'name', body: 'x' })
    tar[0] = 0xe4
    tar.fill(0x20, 148, 156)
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const out = await buffer(rewriteTar(inPieces(tar, 100), ({ name }) => ({ name: `v/${name}` })))
    expect(out.includes(Buffer.concat([Buffer.from('path=v/'), Buffer.from([0xe4]), Buffer.from('ame\n')]))).toBe(true)
  })

  test('keeps other extended headers byte for byte', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0xff, 0xfe, 0x0a, 0x3d])
    const line = Buffer.concat([Buffer.from(' SCHILY.xattr.security.capability='), value, Buffer.from('\n')])
    const record = Buffer.concat([Buffer.from(String(line.length + 2)), line])
    const body = Buffer.concat([record, Buffer.alloc(512 - record.length)])
    const plain = await tarOf({ name: 'x', body: record }, { name: 'ping', body: 'p' })
    // The first entry becomes the second one's extended header.
    plain.write('x', 156)
    plain.fill(0x20, 148, 156)
    const sum = plain.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    plain.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    expect(plain.subarray(512, 1024).equals(body)).toBe(true)
    const out = await buffer(rewriteTar(inPieces(plain, 100), ({ name }) => ({ name: `v/${name}` })))
    expect(out.includes(record)).toBe(true)
    expect((await entriesOf(out)).map((one) => one.name)).toEqual(['v/ping'])
  })

  test('drops and replaces', async () => {
    const out = rewriteTar(inPieces(await tarOf(...entries), 333), ({ name }) => {
      if (name === 'dir/none') return 'drop'
      return name === 'dir/a' ? { body: (old) => Buffer.from(old.toString().toUpperCase().repeat(200)) } : 'keep'
    })
    const read = await entriesOf(await buffer(out))
    expect(read.map((one) => one.name)).not.toContain('dir/none')
    expect(String(read.find((one) => one.name === 'dir/a')?.body)).toBe('HELLO'.repeat(200))
  })

  test('what is cut off or broken fails', async () => {
    const whole = await tarOf(...entries)
    await expect(keep(whole.subarray(0, 1200))).rejects.toThrow('ends in the middle')
    const broken = Buffer.from(whole)
    broken.write('zzzzzzzzzzz', 124)
    await expect(keep(broken)).rejects.toThrow('without a size')
  })
})

describe('plain tar', () => {
  const strict = { mayBeEmpty: false, isPrefixed: false }

  test('passes as it is', async () => {
    const tar = await tarOf({ name: 'a', body: 'b' })
    expect((await buffer(plainTar(inPieces(tar, 99), strict))).equals(tar)).toBe(true)
    const empty = Buffer.alloc(1024)
    expect((await buffer(plainTar(inPieces(empty, 99), { ...strict, mayBeEmpty: true }))).equals(empty)).toBe(true)
  })

  test.each([
    ['gzip', Buffer.from('1f8b08000000', 'hex')],
    ['zstd', Buffer.from('28b52ffd0000', 'hex')],
    ['compressed', Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(600)])],
    ['no tar', Buffer.alloc(600, 'a')],
    ['no tar', Buffer.from('short')],
    ['empty', Buffer.alloc(0)],
    ['empty', Buffer.alloc(1024)],
  ])('refuses what is %s', async (why, bytes) => {
    await expect(buffer(plainTar(inPieces(bytes, 5), strict))).rejects.toThrow(why)
  })

  test('a name that looks like compression never comes first', async () => {
    const tar = await tarOf({ name: 'BZh-notes', body: 'b' })
    await expect(buffer(plainTar(inPieces(tar, 99), strict))).rejects.toThrow('bzip2')
    const sent = await buffer(unmistakableTar(inPieces(tar, 99)))
    expect(sent.toString('latin1', 0, 17)).toBe('pax_global_header')
    expect((await entriesOf(sent)).map((one) => one.name)).toEqual(['BZh-notes'])
  })
})

describe('an image archive', () => {
  test('loses its names', async () => {
    const manifest = JSON.stringify([{ Config: 'c.json', RepoTags: ['postgres:16'], Layers: ['l/layer.tar'] }])
    const annotations = { 'io.containerd.image.name': 'docker.io/library/postgres:16', kept: 'x' }
    const index = JSON.stringify({ schemaVersion: 2, manifests: [{ digest: 'sha256:1', annotations }] })
    const tar = await tarOf(
      { name: 'c.json', body: '{}' },
      { name: 'manifest.json', body: manifest },
      { name: 'index.json', body: index },
      { name: 'repositories', body: '{"postgres":{}}' },
    )
    const read = await entriesOf(await buffer(withoutNames(inPieces(tar, 700))))
    const bodies = Object.fromEntries(read.map((one) => [one.name, String(one.body)]))
    expect(Object.keys(bodies)).toEqual(['c.json', 'manifest.json', 'index.json'])
    expect(JSON.parse(bodies['manifest.json'] ?? '')).toEqual([
      { Config: 'c.json', RepoTags: [], Layers: ['l/layer.tar'] },
    ])
    expect(JSON.parse(bodies['index.json'] ?? '')).toEqual({
      schemaVersion: 2,
      manifests: [{ digest: 'sha256:1', annotations: { kept: 'x' } }],
    })
  })

  test.each(['[]', '[{},{}]', '{', '7'])('with the list %s is refused', async (manifest) => {
    const tar = await tarOf({ name: './manifest.json', body: manifest })
    await expect(buffer(withoutNames(inPieces(tar, 700)))).rejects.toMatchObject({ code: 'bad-request' })
  })
})
