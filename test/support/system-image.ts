import { buffer } from 'node:stream/consumers'
import { extract, pack } from 'tar-stream'
import { tinyImageTar } from './tiny-image.ts'

const METADATA = 'architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  os: tiny\n'

/** The tiny image as LXD's unified tarball, with a shell script as its init system. */
export async function systemImageTar(init: string, metadata = METADATA): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'metadata.yaml', mode: 0o644 }, metadata)
  tar.entry({ name: 'rootfs', type: 'directory', mode: 0o755 })
  const from = extract()
  from.end(await tinyImageTar())
  for await (const entry of from)
    tar.entry({ ...entry.header, name: `rootfs/${entry.header.name}` }, await buffer(entry))
  tar.entry({ name: 'rootfs/sbin', type: 'directory', mode: 0o755 })
  tar.entry({ name: 'rootfs/sbin/init', mode: 0o755 }, `#!/bin/busybox sh\n${init}\n`)
  tar.finalize()
  return buffer(tar)
}
