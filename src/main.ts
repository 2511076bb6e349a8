/** The command line. `src/start.mjs` gets here with the right Node and all dependencies. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig, type Config } from './config.ts'
import { SetupError } from './setup/host.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(ROOT, '.cache')

type Command = (config: Config, args: string[]) => Promise<void>

// Each command loads only what it needs: a worker must not carry the HTTP server in its memory.
const COMMANDS: Record<string, Command> = {
  up: async (config, args) => {
    const [{ up }, { openOutput, stopOnSignals }] = await Promise.all([
      import('./setup/up.ts'),
      import('./setup/output.ts'),
    ])
    await up(
      { ...hostOptions(config), entry: fileURLToPath(import.meta.url), yes: args.includes('--yes') },
      openOutput(),
      stopOnSignals(),
    )
  },
  serve: async (config) => (await import('./serve.ts')).serve(config),
  worker: async (config) => (await import('../workers/main.ts')).work(config),
  // Leaves compiled code in NODE_COMPILE_CACHE for the processes that follow.
  compile: async () => {
    await Promise.all([
      import('./serve.ts'),
      import('../workers/main.ts'),
      import('./setup/up.ts'),
      import('./setup/output.ts'),
    ])
  },
  down: async (config) => (await import('./setup/down.ts')).down(config.WINDLASS_DATA_DIR, print),
  doctor: async (config) => {
    const { describeFindings, examine } = await import('./setup/doctor.ts')
    const findings = await examine(hostOptions(config))
    print(describeFindings(findings))
    if (findings.some(({ state }) => state === 'missing')) process.exitCode = 1
  },
  demo: async (config) => (await import('./setup/demo.ts')).demo(socketOf(config), print),
  token: async (config, args) => (await import('./setup/token.ts')).token(socketOf(config), args, print),
  dump: async (config) => (await import('./dump.ts')).dump(config, print),
  load: async (config) => (await import('./dump.ts')).load(config, process.stdin, print),
}

async function main([name = 'up', ...args]: string[]): Promise<void> {
  const command = COMMANDS[name]
  if (command === undefined)
    throw new SetupError(`Unknown command "${name}"; known are ${Object.keys(COMMANDS).join(', ')}`)
  const config = readConfig()
  for (const variable of config.unknown)
    process.stderr.write(`${variable} is not a setting of Windlass and is ignored\n`)
  await command(config, args)
}

function hostOptions(config: Config) {
  return {
    cache: CACHE,
    env: { ...process.env, ...(config.DOCKER_HOST !== undefined && { DOCKER_HOST: config.DOCKER_HOST }) },
    dataDir: config.WINDLASS_DATA_DIR,
    http: config.WINDLASS_HTTP,
    https: config.WINDLASS_HTTPS,
    socket: socketOf(config),
    workers: config.WINDLASS_WORKERS,
    redisUrl: config.REDIS_URL,
  }
}

function socketOf(config: Config): string {
  if (config.WINDLASS_SOCKET === 'off') throw new SetupError('This needs the unix socket, but WINDLASS_SOCKET is off')
  return config.WINDLASS_SOCKET ?? join(config.WINDLASS_DATA_DIR, 'unix.socket')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (thrown) {
  // A fault of the machine or the settings is one sentence; anything else is a defect and shows where it happened.
  process.stderr.write(
    `${thrown instanceof SetupError ? thrown.message : thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`,
  )
  process.exitCode = 1
}
