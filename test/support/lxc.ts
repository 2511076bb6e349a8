import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env as ours } from 'node:process'
import { busyboxPlaces } from '../../src/setup/busybox.ts'
import { findLxc } from '../../src/setup/lxc-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { findStaticBusybox } from '../../src/setup/starter-image.ts'
import { startWindlass, type TestWindlass, type TestWindlassOptions } from './windlass.ts'

const CACHE = '.cache'

/** LXD's own client; undefined where the machine has none and none could be unpacked. */
export const LXC = await findLxc(CACHE, ours)

/** What a command printed, and how it ended. */
export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** LXD's client with a configuration of its own. */
export interface LxcClient {
  /** A directory for files the client reads and writes; it is removed at the end. */
  readonly directory: string
  run(words: readonly string[], stdin?: string): Promise<Ran>
  /** A command that must succeed: its standard output. */
  ok(...words: string[]): Promise<string>
  /** The same with something on its standard input. */
  feed(stdin: string, ...words: string[]): Promise<string>
  /** A command that must fail: what it says after `Error: `. */
  fails(...words: string[]): Promise<string>
  /** A list in CSV: its rows, sorted. */
  rows(...words: string[]): Promise<string[]>
  /** Starts a command in a terminal of 100 columns and 40 rows. */
  terminal(...words: string[]): Terminal
  /** Starts a command and leaves it running. */
  start(...words: string[]): Child
  /** Starts `lxc monitor`; it hears what happens after it has opened its socket. */
  monitor(...words: string[]): Monitor
}

/** Somebody at a terminal. */
export interface Terminal extends Monitor {
  type(text: string): void
  /** The command's exit code. */
  readonly code: Promise<number | null>
}

/** A server with the starter image, and a client on its socket. */
export interface LxcOnWindlass extends LxcClient, AsyncDisposable {
  readonly windlass: TestWindlass
  /** A client of somebody else, without the socket. */
  other(): Promise<LxcClient>
}

export interface Monitor extends AsyncDisposable {
  printed(): string
  /** Resolves when everything printed so far satisfies this. */
  until(isEnough: (printed: string) => boolean): Promise<string>
}

/** Starts everything; throws where there is no client (`LXC`). */
export async function startLxc(options: TestWindlassOptions = {}): Promise<LxcOnWindlass> {
  const [windlass, directory, busybox] = await Promise.all([
    startWindlass({ workers: 2, ...options }),
    makeDirectory(),
    findStaticBusybox(busyboxPlaces(CACHE)),
  ])
  if (busybox === undefined) throw new Error('No static busybox: apt-get install busybox-static')
  await publishStarterImage(windlass.socket, busybox)
  const directories = [directory]
  return {
    windlass,
    ...makeClient(directory, { LXD_SOCKET: windlass.socket }),
    other: async () => {
      const own = await makeDirectory()
      directories.push(own)
      return makeClient(own, {})
    },
    [Symbol.asyncDispose]: async () => {
      await windlass[Symbol.asyncDispose]()
      await Promise.all(directories.map((one) => rm(one, { recursive: true, force: true })))
    },
  }
}

const makeDirectory = () => mkdtemp(join(tmpdir(), 'windlass-lxc-'))

function makeClient(directory: string, more: Record<string, string>): LxcClient {
  const env = { PATH: ours['PATH'], HOME: directory, LXD_CONF: directory, ...more }
  const start = (words: readonly string[]) => {
    if (LXC === undefined) throw new Error('There is no lxc')
    return spawn(LXC, words, { env, cwd: directory, stdio: 'pipe' })
  }
  const run = (words: readonly string[], stdin?: string) => ended(start(words), stdin)
  const feed = async (stdin: string | undefined, words: readonly string[]) => {
    const ran = await run(words, stdin)
    if (ran.code !== 0) throw new Error(`lxc ${words.join(' ')} ended with ${ran.code}: ${ran.stderr}`)
    return ran.stdout
  }
  const fails = async (...words: string[]) => {
    const ran = await run(words)
    if (ran.code !== 1) throw new Error(`lxc ${words.join(' ')} ended with ${ran.code}: ${ran.stdout}`)
    return ran.stderr.trim().replace(/^Error: /, '')
  }
  return {
    directory,
    run,
    ok: (...words) => feed(undefined, words),
    feed: (stdin, ...words) => feed(stdin, words),
    fails,
    rows: async (...words) => (await feed(undefined, [...words, '--format', 'csv'])).trimEnd().split('\n').toSorted(),
    start: (...words) => start(words),
    terminal: (...words) => {
      if (LXC === undefined) throw new Error('There is no lxc')
      const command = `stty rows 40 cols 100; exec ${[LXC, ...words].map(quoted).join(' ')}`
      const child = spawn('script', ['-qec', command, '/dev/null'], {
        env: { ...env, SHELL: '/bin/sh' },
        cwd: directory,
      })
      const code = new Promise<number | null>((resolve) => child.once('close', resolve))
      return { ...watch(child), type: (text) => void child.stdin.write(text), code }
    },
    monitor: (...words) => watch(start(['monitor', ...words])),
  }
}

type Child = ReturnType<typeof spawn>

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}

async function ended(child: Child, stdin: string | undefined): Promise<Ran> {
  const ran: Ran = { code: null, stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (ran.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (ran.stderr += chunk.toString()))
  child.stdin?.end(stdin)
  ran.code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return ran
}

const nobody = () => undefined

function watch(child: Child): Monitor {
  let printed = ''
  let wake: () => void = nobody
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    wake()
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    printed: () => printed,
    until: async (isEnough) => {
      while (!isEnough(printed)) await new Promise<void>((resolve) => (wake = resolve))
      return printed
    },
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await gone
    },
  }
}
