import { execFile } from 'node:child_process'
import { readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const FILLER = 'filler'

/** Mounts a file system of so many MiB on an empty directory; needs root. */
export async function mountSmallDisk(directory: string, sizeMiB: number): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', directory])
}

/** Does nothing where none is mounted. */
export async function unmountSmallDisk(directory: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  if (mounts.split('\n').some((line) => line.split(' ')[1] === directory)) await run('umount', ['-l', directory])
}

/** Leaves so many MiB free on the directory's disk. */
export async function fillDisk(directory: string, freeMiB: number): Promise<void> {
  await emptyDisk(directory)
  const { bavail, bsize } = await statfs(directory)
  const size = bavail * bsize - freeMiB * 2 ** 20
  const file = join(directory, FILLER)
  // Others write to it at the same time: a disk that is to be full gets all that is left.
  if (size > 0) await run('fallocate', ['-l', String(size), file]).catch(() => undefined)
  if (freeMiB === 0) await writeFile(`${file}-rest`, Buffer.alloc(2 ** 22)).catch(() => undefined)
}

export async function emptyDisk(directory: string): Promise<void> {
  for (const name of [FILLER, `${FILLER}-rest`]) await rm(join(directory, name), { force: true })
}
