import { spawn } from 'node:child_process'
import { mkdir, open, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type EngineFinding, findEngine } from './find-engine.ts'
import { findProgram, SetupError } from './host.ts'
import { changeMachine, installParts, type SetupContext } from './packages.ts'
import { describeDenied, findRootPrefix, hasSystemd, isRoot, listFolder } from './permissions.ts'
import { isGoneWithin, sendSignal, startOf } from './processes.ts'

const READY_WITHIN_MS = 30_000

/** The pid file of a dockerd that `up` has started and left running. */
export function enginePidFile(dataDir: string): string {
  return join(dataDir, 'dockerd.pid')
}

/** The address of a Docker Engine that answers, installed and started where it is missing; never a second one. */
export async function ensureEngine(dataDir: string, context: SetupContext): Promise<string> {
  const { env } = context
  const first = await findEngine(env)
  const host = hostOf(first)
  if (host !== undefined) return host
  refuseWhatOnlyPeopleCanMend(first, env['DOCKER_HOST'])
  await refuseSecondEngine()
  if ((await findProgram('dockerd', env)) === undefined) await installParts(['engine'], context)
  // On a machine with systemd the package has started it already.
  const second = await findEngine(env)
  const installed = hostOf(second)
  if (installed !== undefined) return installed
  if (second.kind === 'denied') throw new SetupError(describeDenied(second.dockerHost))
  await startInstalledEngine(dataDir, context)
  return waitForEngine(dataDir, context)
}

function hostOf(finding: EngineFinding): string | undefined {
  return finding.kind === 'found' || finding.kind === 'unchecked' ? finding.dockerHost : undefined
}

function refuseWhatOnlyPeopleCanMend(finding: EngineFinding, given: string | undefined): void {
  if (finding.kind === 'denied') throw new SetupError(describeDenied(finding.dockerHost))
  if (finding.kind === 'silent') {
    throw new SetupError(
      `The Docker Engine at ${finding.dockerHost} takes connections but does not answer: restart it.`,
    )
  }
  if (given) throw new SetupError(`No Docker Engine answers at DOCKER_HOST=${given}: start it, or unset the variable.`)
  if (process.platform !== 'linux') {
    throw new SetupError('No Docker Engine answers: start Docker Desktop or colima, or set DOCKER_HOST.')
  }
}

/** A dockerd that runs but answers nowhere we look is still somebody's: beside it none is started. */
async function refuseSecondEngine(): Promise<void> {
  const mounts = await readlink('/proc/self/ns/mnt')
  for (const name of (await listFolder('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const program = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '')
    if (program.trim() !== 'dockerd') continue
    // One in a mount namespace of its own (another container, a test) is another machine's for our purpose.
    const theirs = await readlink(`/proc/${name}/ns/mnt`).catch(() => mounts)
    if (theirs === mounts && (await startOf(Number(name))) !== undefined) {
      throw new SetupError(
        `A dockerd runs (process ${name}) but answers on no usual socket: set DOCKER_HOST to its address.`,
      )
    }
  }
}

async function startInstalledEngine(dataDir: string, context: SetupContext): Promise<void> {
  const why = 'The Docker Engine is installed but does not run.'
  const root = await findRootPrefix(context.env, context.terminal.isInteractive)
  if (await hasSystemd()) {
    await changeMachine(why, [[...(root ?? ['sudo']), 'systemctl', 'start', 'docker']], root, context)
    return
  }
  if (context.env['WINDLASS_SETUP'] === 'off')
    throw new SetupError(`${why} WINDLASS_SETUP=off: start it yourself (dockerd).`)
  if (!isRoot()) throw new SetupError(`${why} Start it as root: sudo dockerd --live-restore`)
  const dockerd = await findProgram('dockerd', context.env)
  if (dockerd === undefined)
    throw new SetupError('The package docker.io brought no dockerd: install a Docker Engine yourself.')
  context.terminal.say(
    `${why} Starting ${dockerd} --live-restore; it stays when Windlass stops ("npm run down" stops it).`,
  )
  await startDockerd(dockerd, dataDir, [])
}

/** Starts dockerd in a session of its own, with its pid and log in the data directory. */
export async function startDockerd(dockerd: string, dataDir: string, args: readonly string[]): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const log = await open(join(dataDir, 'dockerd.log'), 'a')
  const flags = ['--live-restore', '--pidfile', enginePidFile(dataDir), ...args]
  const child = spawn(dockerd, flags, { detached: true, stdio: ['ignore', log.fd, log.fd] })
  child.unref()
  await log.close()
}

async function waitForEngine(dataDir: string, { env, terminal }: SetupContext): Promise<string> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (performance.now() < deadline) {
    const finding = await findEngine(env)
    const host = hostOf(finding)
    if (host !== undefined) return host
    if (finding.kind === 'denied') throw new SetupError(describeDenied(finding.dockerHost))
    await delay(100)
  }
  const log = await readFile(join(dataDir, 'dockerd.log'), 'utf8').catch(() => '')
  if (log !== '') terminal.say(log.trimEnd().split('\n').slice(-5).join('\n'))
  throw new SetupError('The Docker Engine was started but does not answer; its last words are above or in its journal.')
}

/** Stops the dockerd that `up` has started, if one runs; its containers go on (live restore). True if one was stopped. */
export async function stopOwnEngine(dataDir: string): Promise<boolean> {
  const pid = Number(await readFile(enginePidFile(dataDir), 'utf8').catch(() => '0'))
  if (!(pid > 0)) return false
  const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  // The number may belong to another program since a reboot.
  if (program.trim() !== 'dockerd') return false
  sendSignal(pid, 'SIGTERM')
  if (!(await isGoneWithin(pid, 20_000))) throw new SetupError(`dockerd (process ${pid}) does not stop.`)
  return true
}
