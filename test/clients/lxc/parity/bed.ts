import { spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { env as ours } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { LXC } from '../../../support/lxc.ts'
import { systemImageTar } from '../../../support/system-image.ts'
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
    TERM: 'xterm',
    SHELL: '/bin/sh',
  }
  const run: Bed['run'] = (words, more = {}) => runOne(words, more, { directory, env })
  const tarball = gzipSync(await systemImageTar(INIT, METADATA))
  await writeFile(join(directory, 'tiny-rootfs.tar.gz'), tarball)
  await writeFile(join(directory, 'uni.tar'), await systemImageTar(INIT, `${METADATA}# another one\n`))
  const imported = await run(['lxc', 'image', 'import', 'tiny-rootfs.tar.gz', '--alias', 'tiny'])
  if (imported.exit !== 0) throw new Error(`The image was not imported: ${imported.err}`)
  const https = windlass.api.https?.slice('https://'.length) ?? ''
  const image = createHash('sha256').update(tarball).digest('hex')
  const names = new Map([
    [RECORDED_IMAGE, image],
    ['/home/user', directory],
    ['127.0.0.1:8443', https],
    ['HTTPS', `https://${https}`],
  ])
  return {
    windlass,
    directory,
    image,
    names,
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
  await symlink(resolve(LXC ?? ''), join(directory, 'bin/lxc'))
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
    stdio: [more.typed === undefined && more.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
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
  child.stdout?.on('data', (chunk: Buffer) => (outcome.out += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (outcome.err += chunk.toString()))
  child.stdin?.on('error', () => undefined)
  if (more.stdin !== undefined) child.stdin?.end(more.stdin)
  for (const [after, keys] of more.typed ?? []) {
    const seen = () => outcome.out.includes(after)
    // The client knows the two keys that leave a console only when it reads them apart.
    do await delay(300)
    while (!seen() && child.exitCode === null)
    child.stdin?.write(keys)
  }
  const signal = await Promise.race([more.meanwhile?.(() => outcome.out), ended])
  if (typeof signal === 'string') child.kill(signal)
  outcome.exit = await ended
  return outcome
}

function command(words: readonly string[], { typed, stdin }: RunOptions): readonly string[] {
  if (typed !== undefined) return ['script', '-qec', words.map(quoted).join(' '), '/dev/null']
  // The client opens /dev/stdin, which a socket, as this process makes one, does not allow.
  return stdin === undefined ? words : ['sh', '-c', 'cat | "$@"', 'sh', ...words]
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}
