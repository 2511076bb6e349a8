import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { cwd, env as ours } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { LXC } from '../../../support/lxc.ts'
import { systemImageFiles, systemImageTar } from '../../../support/system-image.ts'
import { startWindlass, type TestWindlass } from '../../../support/windlass.ts'

/** How a command ended, and what it printed. */
export interface Outcome {
  exit: number
  out: string
  err: string
}

/** A server, and the directory in which the client's commands run. */
export interface Bed extends AsyncDisposable {
  readonly windlass: TestWindlass
  readonly directory: string
  /** The fingerprint of the image `tiny`. */
  readonly image: string
  /** What stood in the recording, by what stands for it here. */
  readonly names: Map<string, string>
  /** The same for what only the commands between the recorded ones name. */
  readonly places: Map<string, string>
  run(words: readonly string[], more?: RunOptions): Promise<Outcome>
}

export interface RunOptions {
  stdin?: string | undefined
  env?: Readonly<Record<string, string>> | undefined
  /** Runs it in a terminal, where this is typed: after which words, and what. */
  typed?: readonly (readonly [string, string])[] | undefined
  /** What to do while it runs; the signal that it returns is sent. */
  meanwhile?: ((printed: () => string) => Promise<NodeJS.Signals>) | undefined
}

/** Milliseconds after which a command that hangs is ended. */
const LONGEST = 60_000

const RECORDED_IMAGE = '5a0da7d41a5c2d4427269624ec8a5ee3cd2e5c582a60f54e436bc5087dea5c51'

const INIT = `echo tiny booting
trap 'exit 0' PWR TERM USR1 USR2 INT
echo tiny up
sleep 100000 &
while :; do sleep 1000 & wait; done`

const METADATA = `architecture: x86_64
creation_date: 1700000000
properties:
  architecture: x86_64
  description: Tiny busybox image
  name: tiny
  os: busybox
  release: "1.35"
templates: {}
`

export async function makeBed(): Promise<Bed> {
  if (LXC === undefined) throw new Error('There is no lxc')
  const [windlass, directory] = await Promise.all([
    startWindlass({ workers: 2, env: { WINDLASS_HTTPS: '127.0.0.1:0' } }),
    mkdtemp(join(tmpdir(), 'windlass-parity-')),
  ])
  await layOut(directory)
  const env = {
    PATH: `${directory}/bin:${ours['PATH']}`,
    HOME: directory,
    LXD_CONF: join(directory, 'conf'),
    LXD_SOCKET: windlass.socket,
    LXD_DIR: directory,
    TERM: 'xterm',
    SHELL: '/bin/sh',
  }
  const run: Bed['run'] = (words, more = {}) => runOne(words, more, { directory, env })
  const files = await systemImageFiles(INIT, METADATA)
  const [metadata, rootfs] = [gzipSync(files.metadata), gzipSync(files.rootfs)]
  await writeFile(join(directory, 'tiny-meta.tar.gz'), metadata)
  await writeFile(join(directory, 'tiny-rootfs.tar.gz'), rootfs)
  const unified = await systemImageTar(INIT, METADATA)
  await writeFile(join(directory, 'uni.tar'), unified)
  await writeFile(join(directory, 'w/exp2.tar.gz'), gzipSync(unified))
  const imported = await run(['lxc', 'image', 'import', 'tiny-meta.tar.gz', 'tiny-rootfs.tar.gz', '--alias', 'tiny'])
  if (imported.exit !== 0) throw new Error(`The image was not imported: ${imported.err}`)
  const https = windlass.api.https?.slice('https://'.length) ?? ''
  const image = createHash('sha256').update(metadata).update(rootfs).digest('hex')
  const lxdbr0 = await run(['lxc', 'network', 'get', 'lxdbr0', 'ipv4.address'])
  const names = new Map([
    [RECORDED_IMAGE, image],
    ['/home/user', directory],
    ['127.0.0.1:8443', https],
  ])
  const places = new Map([
    ['HTTPS', `https://${https}`],
    ['SUBNET', lxdbr0.out.split('.').slice(0, 3).join('.')],
  ])
  return {
    windlass,
    directory,
    image,
    names,
    places,
    run,
    [Symbol.asyncDispose]: async () => {
      await windlass[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The fingerprint of the certificate that the client has made for itself. */
export async function clientFingerprint(directory: string): Promise<string> {
  const certificate = new X509Certificate(await readFile(join(directory, 'conf/client.crt')))
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}

async function layOut(directory: string): Promise<void> {
  const w = join(directory, 'w')
  await mkdir(join(directory, 'bin'))
  await mkdir(join(directory, 'conf'))
  await mkdir(join(directory, 'fake/conf-empty'), { recursive: true })
  await mkdir(join(w, 'd1/sub'), { recursive: true })
  await symlink(isAbsolute(LXC ?? '') ? (LXC ?? '') : join(cwd(), LXC ?? ''), join(directory, 'bin/lxc'))
  await writeFile(join(w, 'hello.txt'), 'hello world\n')
  await writeFile(join(w, 'edited.txt'), 'edited\n')
  await writeFile(join(w, 'd1/a.txt'), 'a\n')
  await writeFile(join(w, 'd1/sub/b.txt'), 'b\n')
  await symlink('a.txt', join(w, 'd1/link'))
  await writeFile(join(w, 'big.bin'), Buffer.alloc(3_000_000, 'no tarball'))
  await writeFile(join(w, 'ed.sh'), '#!/bin/sh\nsed -i "s/^description:.*/description: edited in editor/" "$1"\n', {
    mode: 0o755,
  })
}

interface Place {
  directory: string
  env: Record<string, string>
}

async function runOne(words: readonly string[], more: RunOptions, place: Place): Promise<Outcome> {
  const [program = '', ...rest] = command(words, more)
  const child = spawn(program, rest, {
    cwd: place.directory,
    env: { ...place.env, ...more.env },
    timeout: LONGEST,
    killSignal: 'SIGKILL',
  })
  const outcome: Outcome = { exit: -1, out: '', err: '' }
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal === null ? (code ?? -1) : -2))
  })
  child.stdout.on('data', (chunk: Buffer) => (outcome.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (outcome.err += chunk.toString()))
  child.stdin.on('error', () => undefined)
  if (more.typed === undefined) child.stdin.end(more.stdin)
  else await typeAll(child, more.typed, () => outcome.out)
  const signal = await Promise.race([more.meanwhile?.(() => outcome.out), ended])
  if (typeof signal === 'string') child.kill(signal)
  outcome.exit = await ended
  return outcome
}

async function typeAll(
  child: ChildProcessWithoutNullStreams,
  typed: NonNullable<RunOptions['typed']>,
  printed: () => string,
): Promise<void> {
  for (const [after, keys] of typed) {
    // The client knows the two keys that leave a console only when it reads them apart.
    do await delay(300)
    while (!printed().includes(after) && child.exitCode === null)
    child.stdin.write(keys)
  }
}

function command(words: readonly string[], { typed, stdin }: RunOptions): readonly string[] {
  if (typed !== undefined) return ['script', '-qec', words.map(quoted).join(' '), '/dev/null']
  // The client opens /dev/stdin, which a socket, as this process makes one, does not allow.
  return ['sh', '-c', stdin === undefined ? 'exec "$@" < /dev/null' : 'cat | "$@"', 'sh', ...words]
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}
