import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { readTar } from '../../src/engine/docker/tar-reader.ts'
import { inPieces, makeEntry, makeTar } from '../unit/engine/tarball-archives.ts'
import { tinyImageTar } from './tiny-image.ts'

/** `metadata.yaml` and `templates/` of an LXD image. */
export const METADATA = `architecture: x86_64
creation_date: 1700000000
properties:
  os: Booting
  release: one
templates:
  /etc/greeting:
    when: [create, copy]
    template: greeting.tpl
    properties:
      word: hello
  /etc/started:
    when: [start]
    template: started.tpl
  /etc/passwd:
    when: [create]
    create_only: true
    template: greeting.tpl
  /var/lib/cloud/seed/nocloud-net/user-data:
    when: [create, copy]
    template: user.tpl
  /etc/hosts:
    when: [create]
    template: greeting.tpl
`

const TEMPLATES = {
  'greeting.tpl': '{{ properties.word }} from {{ container.name }}, {{ trigger }}\n',
  'started.tpl':
    '{% if config_get("user.mood", "") == "" %}calm{% else %}{{ config_get("user.mood", "") }}{% endif %}\n',
  'user.tpl': '{{ config_get("user.user-data", properties.default) }}',
}

const about = () => [
  { name: 'metadata.yaml', content: METADATA },
  { name: 'templates', type: 'directory' as const, mode: 0o755 },
  ...Object.entries(TEMPLATES).map(([name, content]) => ({ name: `templates/${name}`, content })),
]

/** The first file of an LXD image in two. */
export const metadataTar = (): Buffer => makeTar(about())

/** The second one: the tiny image with busybox as its init. */
export async function rootfsTar(prefix = ''): Promise<Buffer> {
  const parts: Buffer[] = []
  if (prefix !== '') parts.push(...about().map((entry) => makeEntry(entry)), folder(prefix))
  for await (const { body, ...entry } of readTar(inPieces(await tinyImageTar(), 65_536))) {
    const content = await buffer(Readable.from(body()))
    parts.push(makeEntry({ ...entry, name: `${prefix}${entry.name}`, content }))
  }
  parts.push(
    folder(`${prefix}sbin`),
    makeEntry({ name: `${prefix}sbin/init`, type: 'symlink', linkname: '/bin/busybox' }),
  )
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

const folder = (name: string) => makeEntry({ name, type: 'directory', mode: 0o755 })

/** The same image in one file. */
export const unifiedTar = (): Promise<Buffer> => rootfsTar('rootfs/')
