import { execFile, spawn } from 'node:child_process'
import { access, copyFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { askEngine } from './ask-engine.ts'
import { bootstrap } from './debian-root.ts'
import { noteEngine, removeEngine } from './engine.ts'
import { makeOwnedDirectory } from './owned-directory.ts'
import { until } from './processes.ts'

const run = promisify(execFile)

/** The Docker Engine of another Debian release. */
export interface RootedEngine extends AsyncDisposable {
  readonly directory: string
  readonly socket: string
  readonly pid: number
  readonly version: string
}

const packages = ['docker.io', 'docker-cli', 'docker-compose', 'iptables', 'xz-utils', 'zstd', 'ca-certificates']

/** A root file system of a Debian release with its Docker Engine, made once from this machine's own mirror. */
export async function makeDebianRoot(suite: string, root: string): Promise<string> {
  const done = join(root, 'windlass-made')
  const isMade = await access(done).then(
    () => true,
    () => false,
  )
  if (isMade) return root
  await bootstrap(suite, root)
  // Nothing is started while packages are installed.
  await writeFile(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  await copyFile('/etc/resolv.conf', join(root, 'etc/resolv.conf')).catch(() => {})
  for (const name of (await readdir('/etc/apt/apt.conf.d')).filter((entry) => /proxy/i.test(entry))) {
    await copyFile(join('/etc/apt/apt.conf.d', name), join(root, 'etc/apt/apt.conf.d', name))
  }
  const install = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '--no-install-recommends']
  await run('chroot', [root, ...install, ...packages], { maxBuffer: 2 ** 28 })
  await writeFile(done, '')
  return root
}

// The root is entered by pivot_root: in a mere chroot the namespace keeps the host's root, and every exec of the engine
// would run in the host's file system.
const enterRoot = `set -e
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root$base" "$root/.old"
mount --bind "$base" "$root$base"
ip link set lo up
cd "$root"; pivot_root . .old; cd /
umount -l /.old
exec /usr/sbin/dockerd "$@"`

/** Starts the root's dockerd in namespaces of its own; disposing ends it like every engine of the tests. */
export async function startRootedEngine(root: string, args: readonly string[]): Promise<RootedEngine> {
  const directory = await makeOwnedDirectory('windlass-engine-')
  const socket = join(directory, 'docker.sock')
  await mkdir(join(directory, 'data'))
  const settings = [
    '--data-root',
    join(directory, 'data'),
    '--exec-root',
    '/run/windlass-docker',
    '-H',
    `unix://${socket}`,
  ]
  const names = ['--containerd-namespace', 'windlass-moby', '--containerd-plugins-namespace', 'windlass-plugins']
  const log = await open(join(directory, 'log'), 'a')
  const child = spawn(
    'unshare',
    ['--net', '--mount', '--propagation', 'private', 'sh', '-c', enterRoot, 'sh', ...settings, ...names, ...args],
    {
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', root, base: directory },
      stdio: ['ignore', log.fd, log.fd],
    },
  )
  await log.close()
  if (child.pid === undefined) throw new Error('dockerd could not be started')
  child.unref()
  const readVersion = async (): Promise<string | undefined> => {
    if (child.exitCode !== null) throw new Error(await readFile(join(directory, 'log'), 'utf8'))
    const answer = await askEngine(socket, 'GET', '/version').catch(() => undefined)
    return /"Version":"([^"]+)"/.exec(answer?.text ?? '')?.[1]
  }
  const version = await until(30_000, readVersion, () => new Error(`no engine from ${root}`))
  await noteEngine(directory, child.pid)
  const dispose = (): Promise<void> => removeEngine(directory)
  return { directory, socket, pid: child.pid, version, [Symbol.asyncDispose]: dispose }
}
