// The first file of every `npm start`, `npm test` …: plain JavaScript that any Node from 18 parses. It finds or installs
// Node 24 and the dependencies, then hands over. What comes after it is TypeScript.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants as access,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process, { env } from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const runtime = join(root, '.runtime')
const runtimeRecipe = join(root, 'src/setup/runtime')
const modules = join(root, 'node_modules')
const compiled = join(root, '.cache/compile')

const serverCommands = ['up', 'down', 'serve', 'worker', 'demo', 'token', 'dump', 'load', 'doctor']
const developerCommands = ['test', 'check', 'openapi', 'bench', 'battery', 'battery:mutations', 'test:engines']
/** Those whose processes find compiled code; `npm start` runs them with it, and so do the tests. */
const withCompiled = [...serverCommands, 'bench', 'test', 'battery', 'battery:mutations']
const oldestNode = 24
const oldestNpm = 11
const installFlags = ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']

class StartError extends Error {}

async function start([command = 'up', ...args]) {
  if (!serverCommands.includes(command) && !developerCommands.includes(command)) {
    throw new StartError(
      `There is no command "${command}"; known are ${[...serverCommands, ...developerCommands].join(', ')}.`,
    )
  }
  if (process.platform === 'win32')
    throw new StartError('Windlass runs on Linux and macOS; on Windows start it inside WSL 2.')
  process.chdir(root)
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    await become(packagedNode(), [join(root, 'src/start.mjs'), command, ...args])
    return
  }
  installModules()
  const { nodeFlags } = await import('./setup/lean-node.ts')
  if (withCompiled.includes(command)) compileSources(nodeFlags('serve'))
  if (serverCommands.includes(command)) {
    await become(process.execPath, [...nodeFlags(command), join(root, 'src/main.ts'), command, ...args])
    return
  }
  const { develop } = await import('./setup/develop.ts')
  process.exitCode = await develop({ command, args, root, env: ownNodeFirst() })
}

/** The pinned Node, put into an ignored folder by the host's npm when it is not there yet. */
function packagedNode() {
  if (process.platform !== 'linux') {
    throw new StartError(`Windlass needs Node ${oldestNode} or newer (this is ${process.version}): brew install node`)
  }
  const node = join(runtime, `node_modules/node-linux-${process.arch}/bin/node`)
  installRuntime()
  const tried = existsSync(node) ? spawnSync(node, ['--version'], { encoding: 'utf8' }) : undefined
  if (tried === undefined || tried.status !== 0) {
    throw new StartError(
      `Windlass needs Node ${oldestNode} or newer (this is ${process.version}), and there is no packaged one for this machine (${process.arch}, glibc): install Node ${oldestNode} from your distribution or nodejs.org.`,
    )
  }
  return node
}

function installRuntime() {
  const stamp = { lock: sha256(join(runtimeRecipe, 'package-lock.json')), arch: process.arch }
  if (isStamped(runtime, stamp)) return
  refuseInstalling(`Node ${oldestNode}`)
  say(
    `Installing Node ${oldestNode} and npm ${oldestNpm} into ${runtime} (once; this machine has Node ${process.version}) …`,
  )
  rmSync(runtime, { recursive: true, force: true })
  mkdirSync(runtime, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(runtimeRecipe, name), join(runtime, name))
  run(['npm', ...installFlags], runtime)
  writeStamp(runtime, stamp)
}

function refuseInstalling(what) {
  if (env.WINDLASS_SETUP === 'off') {
    throw new StartError(`WINDLASS_SETUP is off, so nothing is installed: install ${what} first, or unset it once.`)
  }
}

/** Installs the project's dependencies unless this very Node has done it for this very lock file. */
function installModules() {
  const stamp = { lock: sha256(join(root, 'package-lock.json')), node: process.version, arch: process.arch }
  if (isStamped(modules, stamp)) return
  // Whoever forbids installing may have installed them without us.
  if (env.WINDLASS_SETUP === 'off' && existsSync(modules)) return
  refuseInstalling('the dependencies (npm install)')
  say('Installing dependencies (about 15 s) …')
  run([...newEnoughNpm(), ...installFlags, '--include=dev'], root)
  writeStamp(modules, stamp)
}

/**
 * Compiles all that API and workers load, after each change. Node keeps the code, so that no process of the server loads
 * the compiler of types: that is up to 20 MB in each of them, and time. Where nothing can be kept they are larger. V8
 * takes the code only under the flags that it was compiled with, but for those of sizes.
 */
function compileSources(flags) {
  env.NODE_COMPILE_CACHE ??= compiled
  try {
    mkdirSync(compiled, { recursive: true })
    accessSync(compiled, access.W_OK)
  } catch {
    return
  }
  const stamp = { sources: stateOfSources(), node: process.version, arch: process.arch }
  if (isStamped(compiled, stamp)) return
  const done = spawnSync(process.execPath, [...flags, join(root, 'src/main.ts'), 'compile'], { stdio: 'ignore' })
  if (done.status === 0) writeStamp(compiled, stamp)
}

/** Changes whenever a source file does. */
function stateOfSources() {
  const files = ['src', 'workers'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(root, folder, name)),
  )
  const states = files.map((path) => `${path} ${statSync(path).mtimeMs}`)
  return createHash('sha256').update(states.join('\n')).digest('hex')
}

/** npm 11 or newer, as a command line: an older one leaves out optional native packages without a word. */
function newEnoughNpm() {
  const hosts = spawnSync('npm', ['--version'], { encoding: 'utf8', env: ownNodeFirst(), cwd: root })
  if (hosts.status === 0 && Number.parseInt(hosts.stdout, 10) >= oldestNpm) return ['npm']
  installRuntime()
  return [process.execPath, join(runtime, 'node_modules/npm/bin/npm-cli.js')]
}

function run([command, ...args], cwd) {
  // Standard output stays clean for whatever the command itself will say.
  const done = spawnSync(command, args, { cwd, env: ownNodeFirst(), stdio: ['ignore', 2, 2] })
  if (done.error && done.error.code === 'ENOENT') {
    throw new StartError(
      `${command} is not installed; it is needed once, to install the dependencies (Debian: apt-get install npm).`,
    )
  }
  if (done.status !== 0)
    throw new StartError(`This failed: ${command} ${args.join(' ')} (in ${cwd}). Its own words are above.`)
}

/** The environment with this Node first in the PATH, without what an outer npm said about its own project. */
function ownNodeFirst() {
  const own = Object.entries(env).filter(([name]) => !/^npm_(package_|lifecycle_|config_local_prefix)/.test(name))
  return { ...Object.fromEntries(own), PATH: `${dirname(process.execPath)}${delimiter}${env.PATH || ''}` }
}

/** Runs a program in place of this one; where Node cannot, as a child whose end is ours. */
function become(program, args) {
  if (typeof process.execve === 'function') process.execve(program, [program, ...args], { ...env })
  const child = spawn(program, args, { stdio: 'inherit' })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 128 + constants.signals[signal]
  })
  return new Promise((resolve, reject) => child.on('close', resolve).on('error', reject))
}

function isStamped(folder, stamp) {
  const path = join(folder, '.windlass-stamp')
  return existsSync(path) && readFileSync(path, 'utf8') === JSON.stringify(stamp)
}

function writeStamp(folder, stamp) {
  writeFileSync(join(folder, '.windlass-stamp'), JSON.stringify(stamp))
}

function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

try {
  await start(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof StartError)) throw error
  say(error.message)
  process.exitCode = 1
}
