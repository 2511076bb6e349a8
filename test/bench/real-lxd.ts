/** A real LXD beside the server that is measured, where Debian's package `lxd` is installed. */
import { spawn } from 'node:child_process'
import { chmod, mkdir, open, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { env } from 'node:process'
import { gzipSync } from 'node:zlib'
import { findProgram } from '../../src/setup/host.ts'
import { isGoneWithin, isRunning, noteProcess, type ProcessNote, sendSignal } from '../../src/setup/processes.ts'
import { makeOwnedDirectory, sweepLeftovers } from '../support/owned-directory.ts'
import { systemImageTar } from '../support/system-image.ts'
import { type LxcCommand, openLxc } from './lxc-command.ts'
import { IMAGE } from './tiny.ts'

export interface RealLxd extends AsyncDisposable {
  readonly socket: string
  /** Of its client's configuration. */
  readonly dataDir: string
  /** Of the daemon. */
  readonly pid: number
  readonly lxc: LxcCommand
}

/** In namespaces of its own, where `sh` is the init: what LXD leaves behind ends with it. */
const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private']
/** Sees its own network below /sys, and the machine's control groups. */
const SCRIPT = `set -e
mount --rbind /sys/fs/cgroup "$LXD_DIR/../cgroups"
mount -t sysfs sysfs /sys
mount --rbind "$LXD_DIR/../cgroups" /sys/fs/cgroup
ip link set lo up
lxd --group root &
wait $!`
/** As `lxd init` makes it, with the driver that needs nothing. */
const PRESEED = `storage_pools: [{ name: default, driver: dir }]
networks: [{ name: lxdbr0, type: bridge, config: { ipv4.address: 10.99.7.1/24, ipv6.address: none } }]
profiles:
- name: default
  devices: { root: { type: disk, path: /, pool: default }, eth0: { type: nic, network: lxdbr0, name: eth0 } }
`
/** An init that a clean stop ends at once. */
const INIT = `trap 'exit 0' PWR TERM
while :; do sleep 3600 & wait $!; done`
const READY_WITHIN = '30'
const PREFIX = 'windlass-lxd-'
/** Which process it is. */
const NOTE = 'process.json'

/** With the tiny image as its `tiny`; undefined where no `lxd` is installed. */
export async function startRealLxd(): Promise<RealLxd | undefined> {
  if ((await findProgram('lxd', env)) === undefined) return undefined
  await sweepLeftovers(PREFIX, remove)
  const directory = await makeOwnedDirectory(PREFIX)
  // The root of its instances is nobody on this machine, and has to pass.
  await chmod(directory, 0o711)
  const own = { ...env, LXD_DIR: join(directory, 'lxd') }
  for (const name of ['lxd', 'cgroups', 'client']) await mkdir(join(directory, name))
  const log = await open(join(directory, 'log'), 'w')
  const shell = spawn('unshare', [...NAMESPACES, 'sh', '-c', SCRIPT], { env: own, stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  const outside = shell.pid ?? 0
  await writeFile(join(directory, NOTE), JSON.stringify(await noteProcess(outside)))
  try {
    const client = { socket: join(own.LXD_DIR, 'unix.socket'), dataDir: join(directory, 'client') }
    await run('lxd', ['waitready', '--timeout', READY_WITHIN], own)
    await run('lxd', ['init', '--preseed'], own, PRESEED)
    const lxc = await openLxc(client)
    const image = join(directory, 'tiny.tar.gz')
    await writeFile(image, gzipSync(await systemImageTar(INIT)))
    await lxc.run('image', 'import', image, '--alias', IMAGE)
    const inner = await childOf(outside)
    return { ...client, pid: await childOf(inner), lxc, [Symbol.asyncDispose]: () => remove(directory) }
  } catch (error) {
    const told = await readFile(join(directory, 'log'), 'utf8')
    await remove(directory)
    throw new Error(`LXD did not start: ${told}`, { cause: error })
  }
}

/** Ends what runs there, and takes everything of it away. */
async function remove(directory: string): Promise<void> {
  const note: ProcessNote = JSON.parse(await readFile(join(directory, NOTE), 'utf8')) // our own
  if (await isRunning(note)) {
    sendSignal(note.pid, 'SIGKILL')
    await isGoneWithin(note.pid, 10_000)
  }
  await removeGroups()
  await rm(directory, { recursive: true, force: true })
}

/** Control groups of containers that are gone; one that is in use cannot be removed. */
async function removeGroups(): Promise<void> {
  for (const name of await readdir('/sys/fs/cgroup').catch(() => []))
    for (const group of await readdir(join('/sys/fs/cgroup', name)).catch(() => []))
      if (/^lxc\.(payload|monitor|pivot)/.test(group))
        await rmdir(join('/sys/fs/cgroup', name, group)).catch(() => undefined)
}

async function childOf(pid: number): Promise<number> {
  const [first = ''] = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ')
  return Number(first)
}

function run(program: string, words: string[], environment: NodeJS.ProcessEnv, input = ''): Promise<void> {
  const child = spawn(program, words, { env: environment, stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ${words.join(' ')}: ${code}`))))
  })
}
