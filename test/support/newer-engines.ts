// `npm run test:engines`: the engine port's suite, a booting Debian, the demo and the compose file against the Docker Engines of Debian's
// newer releases, each in a root of its own. Needs root, debootstrap and 2 GB; arguments pick engines by name.
import { spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { argv, env, execPath } from 'node:process'
import { installParts } from '../../src/setup/packages.ts'
import { findProgram, openTerminal, SetupError } from '../../src/setup/host.ts'
import { makeDebianRoot, startRootedEngine, type RootedEngine } from './rooted-engine.ts'

interface Target {
  readonly name: string
  readonly suite: string
  readonly args: readonly string[]
}

const targets: readonly Target[] = [
  { name: 'trixie', suite: 'trixie', args: [] },
  { name: 'forky', suite: 'forky', args: [] },
  { name: 'forky-containerd', suite: 'forky', args: ['--feature', 'containerd-snapshotter=true'] },
]

const cache = resolve('.cache/engines')
const results: string[] = []

await prepare()
const asked = argv.slice(2)
for (const target of targets.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const root = await makeDebianRoot(target.suite, resolve(cache, target.suite))
  await using engine = await startRootedEngine(root, target.args)
  for (const [part, isGood] of await tryEngine(engine, root)) {
    results.push(`${isGood ? 'ok     ' : 'FAILED '} ${target.name} ${engine.version}: ${part}`)
  }
}
process.stdout.write(`\n${results.join('\n')}\n`)
if (results.length === 0 || results.some((line) => line.startsWith('FAILED'))) process.exitCode = 1

async function prepare(): Promise<void> {
  const context = { env, terminal: openTerminal(), yes: true }
  if ((await findProgram('debootstrap', env)) === undefined) await installParts(['roots'], context)
  if (process.geteuid?.() !== 0) throw new SetupError('The engines of newer releases are started by root only.')
  await mkdir(cache, { recursive: true })
}

async function tryEngine(engine: RootedEngine, root: string): Promise<[string, boolean][]> {
  const variables = {
    ...env,
    WINDLASS_TEST_DOCKER_HOST: `unix://${engine.socket}`,
    WINDLASS_TEST_ENGINE_PID: String(engine.pid),
    WINDLASS_TEST_DEBIAN: 'yes',
    WINDLASS_TEST_COMPOSE: resolve(root, 'usr/libexec/docker/cli-plugins/docker-compose'),
  }
  const vitest = (file: string): Promise<boolean> => succeeds(['node_modules/.bin/vitest', 'run', file], variables)
  return [
    ['engine port', await vitest('test/ports/engine.docker.test.ts')],
    ['Debian', await vitest('test/system/debian.test.ts')],
    ['git in a Debian', await vitest('test/dialects/hebergos-git.test.ts')],
    ['compose 2', await vitest('test/system/compose.test.ts')],
    ['demo', await runDemo(engine)],
  ]
}

/** A whole server on this engine, the demo against it, and its end. */
async function runDemo(engine: RootedEngine): Promise<boolean> {
  const dataDir = `${engine.directory}/windlass`
  const variables = {
    ...env,
    DOCKER_HOST: `unix://${engine.socket}`,
    WINDLASS_DATA_DIR: dataDir,
    WINDLASS_HTTP: 'off',
    WINDLASS_HTTPS: 'off',
  }
  const server = spawn(execPath, ['src/main.ts', 'up'], { env: variables, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((done) => void server.once('exit', () => done()))
  let text = ''
  const ready = new Promise<void>((done) => {
    server.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('Windlass is ready')) done()
    })
  })
  await Promise.race([ready, ended])
  const isGood = server.exitCode === null && (await succeeds(['src/main.ts', 'demo'], variables))
  server.kill('SIGTERM')
  await ended
  if (!isGood) process.stdout.write(text)
  await rm(dataDir, { recursive: true, force: true })
  return isGood
}

function succeeds(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<boolean> {
  const child = spawn(execPath, args, { env: variables, stdio: 'inherit' })
  return new Promise((done) => void child.once('exit', (code) => done(code === 0)))
}
