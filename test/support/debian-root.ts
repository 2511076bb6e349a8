import { execFile } from 'node:child_process'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { findProgram, openTerminal } from '../../src/setup/host.ts'
import { unpackPackage } from '../../src/setup/unpack.ts'

const run = promisify(execFile)

/** Makes the root file system of a Debian release from this machine's own mirror. Needs root and debootstrap. */
export async function bootstrap(suite: string, root: string, packages: readonly string[] = []): Promise<void> {
  const { program, folder } = await findDebootstrap()
  const known = join(folder, 'scripts', suite)
  const script = await access(known).then(
    () => known,
    () => join(folder, 'scripts/sid'),
  )
  await mkdir(root, { recursive: true })
  const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`]
  const args = ['--variant=minbase', ...include, suite, root, await readMirror(), script]
  await run(program, args, { maxBuffer: 2 ** 28, env: { ...env, DEBOOTSTRAP_DIR: folder } })
}

/** What nobody looks at in a container. */
const LEFT_OUT = [
  'dev',
  'proc',
  'sys',
  'var/cache/apt',
  'var/lib/apt/lists',
  'usr/share/doc',
  'usr/share/locale',
  'usr/share/man',
]

/** A tar of this machine's own release with these packages. Made once (a minute), then kept in the checkout's cache. */
export async function debianRootTar(name: string, packages: readonly string[]): Promise<Buffer> {
  const suite = /^VERSION_CODENAME=(\w+)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1]
  if (suite === undefined) throw new Error('This is no release of Debian')
  const folder = resolve('.cache/roots')
  const tar = join(folder, `${suite}-${name}.tar`)
  const isMade = await access(tar).then(
    () => true,
    () => false,
  )
  if (!isMade) {
    const root = join(folder, `${suite}-${name}`)
    await rm(root, { recursive: true, force: true })
    await bootstrap(suite, root, packages)
    const excluded = LEFT_OUT.map((path) => `--exclude=./${path}/*`)
    await run('tar', ['-C', root, ...excluded, '-cf', `${tar}.new`, '.'])
    await rename(`${tar}.new`, tar)
    await rm(root, { recursive: true, force: true })
  }
  return readFile(tar)
}

/** The machine's, or Debian's package unpacked into the checkout's cache. */
async function findDebootstrap(): Promise<{ program: string; folder: string }> {
  const installed = await findProgram('debootstrap', env)
  if (installed !== undefined) return { program: installed, folder: '/usr/share/debootstrap' }
  const cache = resolve('.cache')
  const unpacked = join(cache, 'debootstrap')
  const isUnpacked = await access(unpacked).then(
    () => true,
    () => false,
  )
  if (!isUnpacked) await unpackPackage('debootstrap', 'the tests of git', { cache, env, terminal: openTerminal() })
  return { program: join(unpacked, 'usr/sbin/debootstrap'), folder: join(unpacked, 'usr/share/debootstrap') }
}

/** The mirror this machine installs from, in either format of apt's sources. */
async function readMirror(): Promise<string> {
  const folder = '/etc/apt/sources.list.d'
  const names = (await readdir(folder))
    .filter((name) => /\.(sources|list)$/.test(name))
    .map((name) => join(folder, name))
  for (const path of ['/etc/apt/sources.list', ...names]) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const uri = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(https?:\S+)/m.exec(text)?.[1]
    if (uri !== undefined) return uri
  }
  throw new Error("No Debian mirror is named in this machine's apt sources")
}
