import { execFile, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { askEngine } from './ask-engine.ts'
import { controlGroupsOf, removeGroup, thaw } from './control-groups.ts'
import { makeOwnedDirectory, sweepLeftovers } from './owned-directory.ts'
import { mountSmallDisk, unmountSmallDisk } from './small-disk.ts'
import { isGoneWithin, sendSignal, startOf } from '../../src/setup/processes.ts'
import { processesInNetwork, processesOfContainers, until } from './processes.ts'

const run = promisify(execFile)

const PREFIX = 'windlass-engine-'
const READY_WITHIN_MS = 30_000

/** A Docker Engine for tests. One that came from the environment has no pid and is not stopped. */
export interface TestEngine extends AsyncDisposable {
  /** Path of its unix socket. */
  readonly socket: string
  /** The same as DOCKER_HOST wants it. */
  readonly dockerHost: string
  /** dockerd's process, undefined for an engine that was there before. */
  readonly pid: number | undefined
  /** It goes on when it is disposed of: whoever makes something in it removes that. */
  readonly stays: boolean
  /** The command line that runs `command` inside the engine's network namespace, where its published ports are. */
  netnsCommand(command: readonly [string, ...string[]]): [string, ...string[]]
  /** Runs a command there to its end; rejects on a non-zero exit. */
  netnsExec(...command: [string, ...string[]]): Promise<{ stdout: string; stderr: string }>
  /** Ends dockerd with SIGKILL, and with it its containers as a reboot would; only of an engine of one's own. */
  kill(): Promise<void>
  /** Starts it again on the same data after `kill`, in new namespaces. */
  restart(): Promise<void>
}

/** Options of an engine of one's own. */
export interface TestEngineOptions {
  /** Further arguments of dockerd. */
  readonly args?: readonly string[]
  /** Its data lie on a disk of so many MiB of their own. */
  readonly diskMiB?: number
}

/**
 * Starts this machine's dockerd with its own data, socket, mount and network namespace; disposing kills its
 * containers, stops it by pid and removes all of it. WINDLASS_TEST_DOCKER_HOST is taken instead where set, DOCKER_HOST
 * where namespaces are not permitted. WINDLASS_TEST_ENGINE_PID names the process whose network a given one has.
 */
export async function startEngine(options: TestEngineOptions = {}): Promise<TestEngine> {
  const given = env['WINDLASS_TEST_DOCKER_HOST']
  if (given) return useEngine(given)
  const reason = await whyNoEngineOfOurOwn()
  if (reason === undefined) return startOwnEngine(options)
  if (env['DOCKER_HOST']) return useEngine(env['DOCKER_HOST'])
  throw new Error(
    `The tests need a Docker Engine: either run as root with docker.io installed, so that they can start one of their own (${reason}), or set WINDLASS_TEST_DOCKER_HOST=unix:///path/of/docker.sock`,
  )
}

/** A handle on an engine that runs already; disposing it does nothing. */
export function attachEngine(socket: string, pid: number | undefined): TestEngine {
  const enter = pid === undefined ? [] : ['nsenter', '-t', String(pid), '-n', '--']
  const netnsCommand = (command: readonly [string, ...string[]]): [string, ...string[]] => {
    const [first, ...rest] = [...enter, ...command]
    return [first ?? command[0], ...rest]
  }
  return {
    socket,
    dockerHost: `unix://${socket}`,
    pid,
    stays: true,
    netnsCommand,
    netnsExec: (...command) => {
      const [program, ...args] = netnsCommand(command)
      return run(program, args)
    },
    kill: refuseForeign,
    restart: refuseForeign,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function refuseForeign(): Promise<never> {
  return Promise.reject(new Error('Only an engine of one’s own may be killed'))
}

/** Kills engines whose test run was killed, and removes what they left. */
export function sweepEngines(): Promise<void> {
  return sweepLeftovers(PREFIX, (directory) => removeEngine(directory))
}

async function whyNoEngineOfOurOwn(): Promise<string | undefined> {
  const isThere = await findDockerd()
    .then(() => true)
    .catch(() => false)
  if (!isThere) return 'no dockerd is installed'
  return run('unshare', ['--net', '--mount', '--propagation', 'private', 'true']).then(
    () => undefined,
    () => 'namespaces are not permitted here',
  )
}

async function findDockerd(): Promise<string> {
  const { stdout } = await run('sh', ['-c', 'PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v dockerd'])
  await access(stdout.trim(), constants.X_OK)
  return stdout.trim()
}

async function useEngine(dockerHost: string): Promise<TestEngine> {
  if (!dockerHost.startsWith('unix://'))
    throw new Error(`The tests reach an engine by unix socket only, not ${dockerHost}`)
  const socket = dockerHost.slice('unix://'.length)
  await waitForPing(socket, 10_000, async () => `no Docker Engine answers on ${dockerHost}`)
  const pid = env['WINDLASS_TEST_ENGINE_PID']
  return attachEngine(socket, pid === undefined ? undefined : Number(pid))
}

async function startOwnEngine(options: TestEngineOptions): Promise<TestEngine> {
  await sweepEngines()
  const directory = await makeOwnedDirectory(PREFIX)
  const data = join(directory, 'data')
  await mkdir(data)
  if (options.diskMiB !== undefined) await mountSmallDisk(data, options.diskMiB)
  const launch = async (): Promise<TestEngine> => {
    try {
      return attachEngine(join(directory, 'docker.sock'), await launchEngine(directory, options.args ?? []))
    } catch (error) {
      await unmountSmallDisk(data)
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }
  let current = await launch()
  let disposal: Promise<void> | undefined
  return {
    ...current,
    stays: false,
    get pid() {
      return current.pid
    },
    netnsCommand: (command) => current.netnsCommand(command),
    netnsExec: (...command) => current.netnsExec(...command),
    kill: () => killEngine(directory),
    restart: async () => {
      current = await launch()
    },
    [Symbol.asyncDispose]: () => {
      disposal ??= removeEngine(directory)
      return disposal
    },
  }
}

/** Starts dockerd on what the directory holds; its pid, once it answers. */
async function launchEngine(directory: string, args: readonly string[]): Promise<number> {
  const log = await open(join(directory, 'log'), 'a')
  const child = spawn('unshare', await engineArguments(directory, args), {
    // For each container dockerd starts itself some ten times, for a moment: collecting garbage is a third of that work.
    env: { GOGC: '400', ...env },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  await log.close()
  const pid = child.pid
  if (pid === undefined) throw new Error('dockerd could not be started')
  // The engine must not keep the test process alive: whoever started it disposes it.
  child.unref()
  try {
    await waitForPing(
      join(directory, 'docker.sock'),
      READY_WITHIN_MS,
      () => lastLines(directory),
      () => child.exitCode !== null,
    )
    await noteEngine(directory, pid)
  } catch (error) {
    sendSignal(pid, 'SIGKILL')
    throw error
  }
  return pid
}

/** As a power cut: dockerd first, so that it sees no container die, then all that it ran. */
async function killEngine(directory: string): Promise<void> {
  // Written by launchEngine.
  const note: EngineNote = JSON.parse(await readFile(join(directory, 'engine.json'), 'utf8'))
  await cutPower(directory, note)
  for (const left of ['docker.sock', 'pid']) await rm(join(directory, left), { force: true })
}

async function engineArguments(directory: string, more: readonly string[]): Promise<string[]> {
  const data = join(directory, 'data')
  // A /run of its own hides the exec root, network namespaces and plugin sockets of every other engine; the shell
  // becomes dockerd, so the child's pid is dockerd's.
  const script = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'
  const settings: Readonly<Record<string, string>> = {
    'data-root': data,
    'exec-root': '/run/windlass-docker',
    host: `unix://${join(directory, 'docker.sock')}`,
    pidfile: join(directory, 'pid'),
    'containerd-namespace': 'windlass-moby',
    'containerd-plugins-namespace': 'windlass-plugins',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  return [
    '--net',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    script,
    'sh',
    await findDockerd(),
    ...flags,
    ...more,
  ]
}

async function waitForPing(
  socket: string,
  ms: number,
  why: () => Promise<string>,
  hasEnded: () => boolean = () => false,
): Promise<void> {
  const answers = async (): Promise<true | undefined> => {
    if (hasEnded()) throw new Error('dockerd has ended')
    const status = await askEngine(socket, 'GET', '/_ping')
      .then((answer) => answer.status)
      .catch(() => 0)
    return status === 200 ? true : undefined
  }
  const reason = await until(ms, answers, () => new Error('timeout')).catch((error: unknown) => error)
  if (reason !== true)
    throw new Error(`The Docker Engine for the tests is not there: ${await why()}`, { cause: reason })
}

async function lastLines(directory: string): Promise<string> {
  const text = await readFile(join(directory, 'log'), 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-5).join('\n')
}

interface EngineNote {
  readonly pid: number
  readonly start: string
  readonly network: string
}

/** Notes down which process an engine is, for its end and for a later sweep. */
export async function noteEngine(directory: string, pid: number): Promise<void> {
  const network = await readlink(`/proc/${pid}/ns/net`)
  await writeFile(join(directory, 'engine.json'), JSON.stringify({ pid, start: await startOf(pid), network }))
}

/** Ends an engine with all its processes and removes its directory. */
export async function removeEngine(directory: string): Promise<void> {
  const text = await readFile(join(directory, 'engine.json'), 'utf8').catch(() => undefined)
  // Written by startOwnEngine.
  const note: EngineNote | undefined = text === undefined ? await noteFromPidFile(directory) : JSON.parse(text)
  // All that it has goes: nothing is gained by an orderly end, which takes three times as long.
  if (note) await cutPower(directory, note)
  await unmountSmallDisk(join(directory, 'data'))
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** A run that was killed while its engine started has no note yet, but dockerd wrote its pid. */
async function noteFromPidFile(directory: string): Promise<EngineNote | undefined> {
  const pid = Number(await readFile(join(directory, 'pid'), 'utf8').catch(() => '0'))
  const start = pid > 0 ? await startOf(pid) : undefined
  if (start === undefined) return undefined
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  if (!line.includes(directory)) return undefined
  return { pid, start, network: await readlink(`/proc/${pid}/ns/net`) }
}

/** Ends dockerd and what outlives it: containerd, shims, and the containers with their control groups. */
async function cutPower(directory: string, note: EngineNote): Promise<void> {
  if ((await startOf(note.pid)) === note.start) {
    sendSignal(note.pid, 'SIGKILL')
    await isGoneWithin(note.pid, 5_000)
  }
  const data = join(directory, 'data')
  const containers = await readdir(join(data, 'containers')).catch(() => [])
  const groups = await controlGroupsOf(data)
  // What is about to start a container may do so while it dies.
  for (let tries = 0; tries < 10; tries++) {
    const pids = await remainsOf(note, containers)
    if (pids.length === 0) break
    for (const pid of pids) sendSignal(pid, 'SIGKILL')
    await Promise.all(groups.containers.map(thaw))
    await Promise.all(pids.map((pid) => isGoneWithin(pid, 5_000)))
  }
  await Promise.allSettled(groups.containers.map(removeGroup))
  await Promise.allSettled(groups.parents.map(removeGroup))
}

async function remainsOf(note: EngineNote, containers: readonly string[]): Promise<number[]> {
  // The namespace's number may have been given to another one since; only the host's own is certainly not ours.
  const host = await readlink('/proc/self/ns/net')
  const inNetwork = note.network === host ? [] : await processesInNetwork(note.network)
  return [...inNetwork, ...(await processesOfContainers(containers))]
}
