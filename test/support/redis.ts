import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { mountSmallDisk, unmountSmallDisk } from './small-disk.ts'
import { makeOwnedDirectory, sweepLeftovers } from './owned-directory.ts'
import { isGoneWithin, sendSignal, startOf } from '../../src/setup/processes.ts'

const PREFIX = 'windlass-redis-'
const DATA = 'data'
const MEMORY = '/dev/shm'
/** Bytes. */
const ENOUGH = 2 ** 30

/** A redis-server for one test: unix socket only, append-only file, noeviction. */
export interface TestRedis extends AsyncDisposable {
  /** Path of its unix socket. */
  readonly socket: string
  /** Where its data lie. */
  readonly directory: string
  /** The process that serves at the moment. */
  readonly pid: number
  /** Ends it with SIGKILL and waits until it is gone; the data stay. */
  kill(): Promise<void>
  /** Holds it with SIGSTOP: connections stay open, nothing answers. */
  freeze(): void
  /** Lets it go on after `freeze`. */
  thaw(): void
  /** Starts it again on the same data and socket after `kill`. */
  restart(): Promise<void>
  /** One command over a connection of its own; the raw first line of the answer, such as `+PONG` or `:3`. */
  command(...words: string[]): Promise<string>
}

/** Options of a test's Redis. */
export interface TestRedisOptions {
  /** Its data lie on a disk of so many MiB of their own; needs root. */
  readonly diskMiB?: number
  /** Its data lie on the machine's disk, as those of a server do: what engines of tests write holds up its own. */
  readonly onDisk?: boolean
  readonly appendfsync?: 'always' | 'everysec' | 'no'
}

/** Starts a redis-server of its own; disposing ends it and removes its data. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  await sweepLeftovers(PREFIX, endServer)
  const directory = await makeOwnedDirectory(PREFIX)
  // Below the note of who made it, which a later run has to find although something is mounted.
  const data = await makeData(directory, options)
  if (options.diskMiB !== undefined) await mountSmallDisk(data, options.diskMiB)
  const start = () => startServer(directory, data, options.appendfsync ?? 'always')
  let server = await start()
  const socket = join(directory, 'redis.sock')
  return {
    socket,
    directory: data,
    get pid() {
      return pidOf(server)
    },
    kill: () => endChild(server),
    freeze: () => sendSignal(pidOf(server), 'SIGSTOP'),
    thaw: () => sendSignal(pidOf(server), 'SIGCONT'),
    restart: async () => {
      server = await start()
    },
    command: (...words) => command(socket, words),
    [Symbol.asyncDispose]: async () => {
      await endChild(server)
      await unmountSmallDisk(data)
      for (const each of [data, directory]) await rm(each, { recursive: true, force: true })
    },
  }
}

/** In memory where there is enough: it outlives every kill of the process, and a busy disk does not make tests fail. */
async function makeData(directory: string, { diskMiB, onDisk = diskMiB !== undefined }: TestRedisOptions) {
  const memory = onDisk ? undefined : await statfs(MEMORY).catch(() => undefined)
  if (memory !== undefined && memory.bavail * memory.bsize >= ENOUGH) {
    await sweepLeftovers(PREFIX, async () => undefined, MEMORY)
    return makeOwnedDirectory(PREFIX, MEMORY)
  }
  const data = join(directory, DATA)
  await mkdir(data)
  return data
}

async function startServer(directory: string, data: string, appendfsync: string): Promise<ChildProcess> {
  const settings: Readonly<Record<string, string>> = {
    port: '0',
    unixsocket: join(directory, 'redis.sock'),
    unixsocketperm: '700',
    dir: data,
    appendonly: 'yes',
    appendfsync,
    'maxmemory-policy': 'noeviction',
    save: '',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await isReady(child)
  await writeFile(
    join(directory, 'server.json'),
    JSON.stringify({ pid: child.pid, start: await startOf(pidOf(child)) }),
  )
  return child
}

function isReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`redis-server did not start: ${log}`)))
    // Reading on keeps the pipe from filling up.
    child.stdout?.on('data', (chunk: Buffer) => {
      if (log.length < 65_536) log += chunk.toString()
      if (/Ready to accept connections|ready to accept connections/.test(log)) resolve()
    })
  })
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('redis-server has no process')
  return child.pid
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Ends the server of a run that was killed. */
async function endServer(directory: string): Promise<void> {
  const text = await readFile(join(directory, 'server.json'), 'utf8').catch(() => undefined)
  if (text !== undefined) {
    // Written by startServer.
    const { pid, start }: { pid: number; start: string } = JSON.parse(text)
    if ((await startOf(pid)) === start) sendSignal(pid, 'SIGKILL')
    await isGoneWithin(pid, 5_000)
  }
  await unmountSmallDisk(join(directory, DATA))
}

function command(socket: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    const connection = connect(socket, () => connection.write(`*${words.length}\r\n${parts.join('')}`))
    let text = ''
    connection.on('error', reject)
    connection.on('data', (chunk) => {
      text += chunk.toString()
      if (!text.includes('\r\n')) return
      connection.end()
      resolve(text.slice(0, text.indexOf('\r\n')))
    })
  })
}
