import { buffer } from 'node:stream/consumers'
import { extract, pack, type Pack } from 'tar-stream'
import { tinyImageTar } from './tiny-image.ts'

const INIT = 'sbin/init'
const METADATA = 'architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  os: tiny\n'

/** The tiny image as LXD's unified tarball, with a shell script as its init system; `program`: /sbin/init leads there. */
export async function systemImageTar(init: string, metadata = METADATA, program = INIT): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'metadata.yaml', mode: 0o644 }, metadata)
  tar.entry({ name: 'rootfs', type: 'directory', mode: 0o755 })
  await addSystem(tar, { init, program }, 'rootfs/')
  return buffer(tar)
}

/** The same as an LXD image in two files. */
export async function systemImageFiles(init: string, metadata: string): Promise<{ metadata: Buffer; rootfs: Buffer }> {
  const [about, system] = [pack(), pack()]
  about.entry({ name: 'metadata.yaml', mode: 0o644 }, metadata)
  about.finalize()
  await addSystem(system, { init, program: INIT }, '')
  return { metadata: await buffer(about), rootfs: await buffer(system) }
}

async function addSystem(
  tar: Pack,
  { init, program }: { init: string; program: string },
  prefix: string,
): Promise<void> {
  const from = extract()
  from.end(await tinyImageTar())
  for await (const entry of from)
    tar.entry({ ...entry.header, name: `${prefix}${entry.header.name}` }, await buffer(entry))
  tar.entry({ name: `${prefix}sbin`, type: 'directory', mode: 0o755 })
  tar.entry({ name: `${prefix}${program}`, mode: 0o755 }, `#!/bin/busybox sh\n${init}\n`)
  if (program !== INIT) tar.entry({ name: `${prefix}${INIT}`, type: 'symlink', linkname: `/${program}` })
  tar.finalize()
}
