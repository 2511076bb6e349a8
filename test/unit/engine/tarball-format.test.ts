import { expect, test } from 'vitest'
import { parseLxdMetadata, formatLxdMetadata } from '../../../src/engine/docker/lxd-metadata.ts'
import { rootTar, underRoot } from '../../../src/engine/docker/root-filesystem.ts'
import { ownConfig, savedImageOf } from '../../../src/engine/docker/saved-image.ts'
import { readTar } from '../../../src/engine/docker/tar-reader.ts'
import { bootOf, hasShell, normalName, surveyTarball } from '../../../src/engine/docker/tarball-format.ts'
import { inPieces, type Made, makeTar } from './tarball-archives.ts'

const survey = (entries: readonly Made[]) => surveyTarball(inPieces(makeTar(entries)))

test.each([
  ['./a//b/', 'a/b'],
  ['/a/b', 'a/b'],
  ['./', ''],
  ['a/.hidden', 'a/.hidden'],
])('%s is %s', (name, normal) => {
  expect(normalName(name)).toBe(normal)
})

test.each(['../etc/passwd', 'a/../../b', '..', 'a/..', `a\0b`, 'x'.repeat(256), 'a/'.repeat(3000)])(
  'the name %j is refused',
  async (name) => {
    expect(() => normalName(name)).toThrow('invalid path')
  },
)

test('the whole archive is refused for one bad name or hard link', async () => {
  await expect(survey([{ name: 'a' }, { name: '../b' }])).rejects.toThrow('invalid path')
  await expect(survey([{ name: 'a' }, { name: 'b', type: 'link', linkname: '../../etc/shadow' }])).rejects.toThrow(
    'invalid path',
  )
  await expect(survey([])).rejects.toThrow('The tarball is empty')
})

test.each<[string, Made[], string | undefined]>([
  ['nothing', [{ name: 'bin/sh' }], undefined],
  ['a program', [{ name: 'sbin/init' }], 'init'],
  ['a link to systemd', [{ name: 'sbin/init', type: 'symlink', linkname: '/lib/systemd/systemd' }], 'systemd'],
  [
    'systemd behind a merged /usr',
    [
      { name: './sbin', type: 'symlink', linkname: 'usr/sbin' },
      { name: './usr/sbin/init', type: 'symlink', linkname: '../lib/systemd/systemd' },
    ],
    'systemd',
  ],
  ['busybox', [{ name: 'sbin/init', type: 'symlink', linkname: '/bin/busybox' }], 'busybox'],
  [
    'a hard link to busybox',
    [{ name: 'bin/busybox' }, { name: 'sbin/init', type: 'link', linkname: 'bin/busybox' }],
    'busybox',
  ],
  ['OpenRC', [{ name: 'sbin/init', type: 'symlink', linkname: 'openrc-init' }], 'init'],
  ['a link that leads nowhere', [{ name: 'sbin', type: 'symlink', linkname: 'usr/sbin' }], undefined],
  [
    'a circle',
    [
      { name: 'sbin', type: 'symlink', linkname: 'bin' },
      { name: 'bin', type: 'symlink', linkname: 'sbin' },
    ],
    undefined,
  ],
])('the init of %s', async (_name, entries, boot) => {
  expect(bootOf(await survey(entries), '')).toBe(boot)
  const nested = entries.map((entry) => ({
    ...entry,
    name: `rootfs/${normalName(entry.name)}`,
    ...(entry.type === 'link' ? { linkname: `rootfs/${entry.linkname}` } : {}),
  }))
  expect(bootOf(await survey(nested), 'rootfs/')).toBe(boot)
})

test('a shell is found behind links', async () => {
  const merged: Made[] = [
    { name: 'bin', type: 'symlink', linkname: 'usr/bin' },
    { name: 'usr/bin/sh', type: 'symlink', linkname: 'dash' },
  ]
  expect(hasShell(await survey(merged), '')).toBe(true)
  expect(hasShell(await survey([{ name: 'bin/bash' }]), '')).toBe(false)
})

async function through(entries: readonly Made[], root: string): Promise<string[]> {
  const names: string[] = []
  for await (const entry of readTar(rootTar(readTar(inPieces(makeTar(entries))), root)))
    names.push(`${entry.name}${entry.linkname === '' ? '' : ` > ${entry.linkname}`}`)
  return names
}

test('what an engine gets is below the root, under plain names, without devices', async () => {
  const entries: Made[] = [
    { name: 'metadata.yaml', content: 'x' },
    { name: './rootfs/', type: 'directory' },
    { name: 'rootfs//etc/passwd', content: 'root' },
    { name: 'rootfs/dev/null', type: 'character' },
    { name: 'rootfs/dev/sda', type: 'block' },
    { name: 'rootfs/etc/.wh.shadow' },
    { name: 'rootfs/.wh..wh..opq' },
    { name: 'rootfs/.dockerenv' },
    { name: 'rootfs/etc/link', type: 'symlink', linkname: '../../../../etc/shadow' },
    { name: 'rootfs/etc/hard', type: 'link', linkname: './rootfs/etc/passwd' },
    { name: 'templates/x.tpl' },
  ]
  expect(await through(entries, 'rootfs/')).toEqual([
    './',
    'etc/passwd',
    'etc/link > ../../../../etc/shadow',
    'etc/hard > etc/passwd',
  ])
  const outward: Made[] = [{ name: 'rootfs/x', type: 'link', linkname: 'metadata.yaml' }]
  await expect(through(outward, 'rootfs/')).rejects.toThrow('leads out of it')
})

test('only file capabilities of the special attributes go to the engine', async () => {
  const xattrs = new Map(
    ['security.capability', 'security.selinux', 'trusted.overlay.redirect', 'user.note'].map((key) => [
      key,
      Buffer.from('v'),
    ]),
  )
  const tar = rootTar(readTar(inPieces(makeTar([{ name: 'a', xattrs }]))), '')
  const kept: string[] = []
  for await (const entry of readTar(tar)) kept.push(...entry.xattrs.keys())
  expect(kept).toEqual(['security.capability', 'user.note'])
})

test('a packed tree is the tree that was there', async () => {
  const packed = underRoot(
    readTar(inPieces(makeTar([{ name: './a' }, { name: 'b', type: 'link', linkname: 'a' }]))),
    'rootfs/',
  )
  const chunks: Buffer[] = []
  for await (const chunk of packed) chunks.push(chunk)
  const again = Buffer.concat([...chunks, Buffer.alloc(1024)])
  const names: string[] = []
  for await (const entry of readTar(inPieces(again))) names.push(`${entry.name} ${entry.linkname}`.trim())
  expect(names).toEqual(['rootfs/a', 'rootfs/b rootfs/a'])
})

test('metadata.yaml is read under bounds', () => {
  const yaml = 'architecture: x86_64\ncreation_date: 1\nproperties:\n  os: Debian\n  release: 12\n  nested: {a: b}\n'
  expect(parseLxdMetadata(yaml)).toMatchObject({
    architecture: 'amd64',
    told: { properties: { os: 'Debian', release: '12' } },
    runs: undefined,
  })
  expect(() => parseLxdMetadata('a: &a [x]\nproperties: {b: *a}')).toThrow('cannot be read')
  for (const bomb of ['{'.repeat(100), '- '.repeat(1000), `a: |\n${' '.repeat(200)}x`, 'k: v\n'.repeat(10_000)])
    expect(() => parseLxdMetadata(bomb)).toThrow('too large or nested too deep')
  expect(parseLxdMetadata('- 1')).toMatchObject({
    architecture: '',
    told: { properties: {}, templates: {} },
    runs: undefined,
  })
  const runs = { boot: 'application' as const, command: ['sh', '-c', 'a: b'], environment: { A: '1' } }
  const templates = { '/etc/motd': { when: ['create'], create_only: true, template: 'motd.tpl', properties: {} } }
  const told = { architecture: 'aarch64', created: 5000, expires: 7000, properties: { k: 'v' } }
  const text = formatLxdMetadata({ ...told, templates, runs })
  expect(parseLxdMetadata(text)).toEqual({
    architecture: 'arm64',
    told: { architecture: 'aarch64', creation_date: 5, expiry_date: 7, properties: { k: 'v' }, templates },
    runs,
  })
})

const ID = 'a'.repeat(64)
const saved = (manifest: unknown): Made[] => [
  { name: `${ID}.json`, content: '{}' },
  { name: `${ID}/layer.tar`, content: 'x' },
  { name: `${'b'.repeat(64)}/layer.tar`, type: 'symlink', linkname: `../${ID}/layer.tar` },
  { name: 'manifest.json', content: JSON.stringify(manifest) },
]

test('a docker save is known by what its list says', async () => {
  const layers = [`${ID}/layer.tar`, `${'b'.repeat(64)}/layer.tar`]
  const image = { Config: `${ID}.json`, RepoTags: ['stolen:latest'], Layers: layers }
  expect(savedImageOf(await survey(saved([image])))).toEqual({
    config: `${ID}.json`,
    layers: [`${ID}/layer.tar`, `${ID}/layer.tar`],
  })
  expect(savedImageOf(await survey([{ name: 'manifest.json', content: '{"name":"a web app"}' }]))).toBeUndefined()
  const two = await survey(saved([image, image]))
  expect(() => savedImageOf(two)).toThrow('2 images')
  const missing = await survey(saved([{ ...image, Layers: ['../../etc/shadow'] }]))
  expect(() => savedImageOf(missing)).toThrow('invalid path')
  const absent = await survey(saved([{ ...image, Layers: ['nope.tar'] }]))
  expect(() => savedImageOf(absent)).toThrow('does not hold it')
})

test('labels of ours in a foreign image are replaced', () => {
  const labels = {
    deployment: 'd',
    role: 'image',
    uuid: 'u',
    project: 'p',
    operation: 'o',
    step: 's',
    origin: '',
  } as const
  const config = { os: 'linux', architecture: 'arm64', config: { Labels: { a: 'b', 'windlass.uuid': 'forged' } } }
  const own = ownConfig(JSON.stringify(config), labels)
  expect(own.architecture).toBe('arm64')
  expect(JSON.parse(own.json)).toMatchObject({ config: { Labels: { a: 'b', 'windlass.uuid': 'u' } } })
  expect(() => ownConfig('{"os":"windows"}', labels)).toThrow('only linux')
})
