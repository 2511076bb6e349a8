import { execFile } from 'node:child_process'
import { readFile, realpath } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { type Pack, pack } from 'tar-stream'
import { busyboxPlaces } from '../../src/setup/busybox.ts'
import { findStaticBusybox } from '../../src/setup/starter-image.ts'
import { askEngine } from './ask-engine.ts'

const run = promisify(execFile)
const common = { mtime: new Date(0), uid: 0, gid: 0 }

/** What goes into a base image: programs of this machine with their libraries, and files. */
export interface BaseImage {
  /** Reference, such as `node:24-bookworm-slim`. */
  readonly reference: string
  /** Path inside → program of this machine. */
  readonly programs: Readonly<Record<string, string>>
  /** Path inside → content of an executable file. */
  readonly scripts?: Readonly<Record<string, string>>
  /** Path inside → a tar of a folder of this machine, left packed: quicker than thousands of entries here. */
  readonly archives?: Readonly<Record<string, { folder: string; without: readonly string[] }>>
}

/** Makes a base image from this machine's own programs, under the tag of the one it stands in for: no registry. */
export async function importBaseImage(socket: string, image: BaseImage): Promise<void> {
  const [repo, tag] = image.reference.split(':')
  const changes = `changes=${encodeURIComponent('ENV PATH=/usr/local/bin:/usr/bin:/bin')}`
  const path = `/images/create?fromSrc=-&repo=${repo}&tag=${tag}&${changes}`
  const answer = await askEngine(socket, 'POST', path, await packBaseImage(image))
  if (answer.status !== 200 || answer.text.includes('errorDetail'))
    throw new Error(`${image.reference}: ${answer.text}`)
}

async function packBaseImage({ programs, scripts = {}, archives = {} }: BaseImage): Promise<Buffer> {
  const tar = pack()
  const all = buffer(tar)
  for (const name of ['tmp', 'data', 'var/lib']) tar.entry({ ...common, name, type: 'directory', mode: 0o1777 })
  await addBusybox(tar)
  const libraries = new Set<string>()
  for (const [inside, program] of Object.entries(programs)) {
    tar.entry({ ...common, name: inside, mode: 0o755 }, await readFile(program))
    for (const library of await listLibraries(program)) libraries.add(library)
  }
  for (const library of libraries)
    tar.entry({ ...common, name: library.slice(1), mode: 0o755 }, await readFile(library))
  for (const [inside, text] of Object.entries(scripts)) tar.entry({ ...common, name: inside, mode: 0o755 }, text)
  for (const [inside, { folder, without }] of Object.entries(archives)) {
    tar.entry({ ...common, name: inside }, await packFolder(folder, without))
  }
  tar.finalize()
  return all
}

async function addBusybox(tar: Pack): Promise<void> {
  const busybox = await findStaticBusybox(busyboxPlaces('.cache'))
  if (busybox === undefined) throw new Error('No static busybox: apt-get install busybox-static')
  tar.entry({ ...common, name: 'bin/busybox', mode: 0o755 }, await readFile(busybox))
  for (const applet of ['sh', 'env', 'mkdir', 'ln', 'tar', 'cat', 'ls', 'id', 'rm', 'find', 'chown']) {
    tar.entry({ ...common, name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' })
  }
  tar.entry({ ...common, name: 'usr/bin/env', type: 'symlink', linkname: '/bin/busybox' })
}

/** Absolute paths of the shared libraries and the loader, as `ldd` names them. */
export async function listLibraries(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [await realpath(program)])
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

async function packFolder(folder: string, without: readonly string[]): Promise<Buffer> {
  const excluded = without.map((path) => `--exclude=${path}`)
  const { stdout } = await run('tar', ['--anchored', ...excluded, '-cf', '-', folder], {
    encoding: 'buffer',
    maxBuffer: 1024 ** 3,
  })
  return stdout
}
