import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { pack } from 'tar-stream'

const run = promisify(execFile)

const PT_INTERP = 3
const directories = [
  'bin',
  'dev',
  'etc',
  'home',
  'proc',
  'root',
  'run',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'var',
  'var/log',
]

// `busybox` would be a link to itself; `init` and `linuxrc` would make the image look as if it booted a system.
const leftOut = new Set(['busybox', 'init', 'linuxrc', 'run-init'])

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/os-release': 'NAME="BusyBox"\nID=busybox\nPRETTY_NAME="BusyBox (starter image)"\n',
}

/** What an import of the starter image needs beside the tar: without a PATH no applet is found. */
export const starterImageChanges = ['ENV PATH=/usr/bin:/bin', 'CMD ["sh"]'] as const

/** Is this an ELF program that needs no dynamic loader? Reads 64-bit little-endian program headers only. */
export function isStaticProgram(binary: Buffer): boolean {
  const isElf = binary.length >= 64 && binary.readUInt32BE(0) === 0x7f_45_4c_46 && binary[4] === 2 && binary[5] === 1
  if (!isElf) return false
  const start = Number(binary.readBigUInt64LE(32))
  const size = binary.readUInt16LE(54)
  const count = binary.readUInt16LE(56)
  if (start + size * count > binary.length) return false
  for (let i = 0; i < count; i++) if (binary.readUInt32LE(start + i * size) === PT_INTERP) return false
  return true
}

/** The first of `paths` that holds a static busybox, or undefined. */
export async function findStaticBusybox(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const binary = await readFile(path).catch(() => undefined)
    if (binary && isStaticProgram(binary)) return path
  }
  return undefined
}

/** A root file system around one static busybox, as a tar; the same binary gives the same bytes. */
export async function makeBusyboxTar(busyboxPath: string): Promise<Buffer> {
  const { stdout } = await run(busyboxPath, ['--list'])
  const applets = stdout.split('\n').filter((name) => name !== '' && !leftOut.has(name))
  return packRootFs(await readFile(busyboxPath), applets)
}

async function packRootFs(busybox: Buffer, applets: readonly string[]): Promise<Buffer> {
  const tar = pack()
  const common = { mtime: new Date(0), uid: 0, gid: 0 }
  for (const name of directories) {
    tar.entry({ ...common, name, type: 'directory', mode: name === 'tmp' ? 0o1777 : 0o755 })
  }
  tar.entry({ ...common, name: 'bin/busybox', mode: 0o755 }, busybox)
  for (const applet of applets) {
    tar.entry({ ...common, name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mode: 0o777 })
  }
  tar.entry({ ...common, name: 'usr/bin/env', type: 'symlink', linkname: '../../bin/busybox', mode: 0o777 })
  for (const [name, text] of Object.entries(files)) tar.entry({ ...common, name, mode: 0o644 }, text)
  tar.finalize()
  return buffer(tar)
}
