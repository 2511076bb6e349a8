import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { listLibraries } from './base-images.ts'
import { tinyImageTar } from './tiny-image.ts'

const GIT = '/usr/bin/git'
/** What a tar ends with. */
const END = 1024
const common = { mtime: new Date(0), uid: 0, gid: 0, mode: 0o755 }

/** The tiny image's root file system with Debian's git and its libraries, from the packages of this machine. */
export async function gitImageTar(): Promise<Buffer> {
  const tar = pack()
  const all = buffer(tar)
  for (const name of ['usr/share', 'usr/share/git-core', 'usr/share/git-core/templates'])
    tar.entry({ ...common, name, type: 'directory' })
  for (const path of [GIT, ...(await listLibraries(GIT))])
    tar.entry({ ...common, name: path.slice(1) }, await readFile(path))
  // The other end of a fetch is started by this name.
  tar.entry({ ...common, name: 'usr/bin/git-upload-pack', type: 'symlink', linkname: 'git' })
  tar.finalize()
  return Buffer.concat([(await tinyImageTar()).subarray(0, -END), await all])
}
