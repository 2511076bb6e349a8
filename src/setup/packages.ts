import { decideConsent } from './consent.ts'
import { type Environment, findProgram, SetupError, type Terminal } from './host.ts'
import { findRootPrefix, type RootPrefix } from './permissions.ts'

/** A part of the machine that Debian's packages can bring. */
export type Part = 'engine' | 'redis' | 'namespaces' | 'roots'

// iptables and iproute2 are only recommended by newer docker.io packages, and dockerd does not start without.
const packagesOf: Readonly<Record<Part, readonly string[]>> = {
  engine: ['docker.io', 'iptables', 'iproute2', 'ca-certificates'],
  redis: ['redis-server'],
  namespaces: ['iproute2', 'util-linux'],
  roots: ['debootstrap'],
}

const nameOf: Readonly<Record<Part, string>> = {
  engine: 'a Docker Engine (docker.io)',
  redis: 'Redis 6.2 or newer (redis-server)',
  roots: 'debootstrap',
  namespaces: 'nsenter, unshare and ip (util-linux, iproute2)',
}

/** Where set-up happens: the variables, the person, and whether they said yes beforehand. */
export interface SetupContext {
  readonly env: Environment
  readonly terminal: Terminal
  /** Was `--yes` given? */
  readonly yes: boolean
}

/** The commands that install these parts, each a list of words. */
export function planInstallation(parts: readonly Part[], root: readonly string[]): string[][] {
  const packages = [...new Set(parts.flatMap((part) => packagesOf[part]))]
  const install = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '--no-install-recommends']
  return [
    [...root, 'apt-get', 'update'],
    [...root, ...install, ...packages],
  ]
}

/** Installs parts by apt; throws a SetupError that says what to run where it may not or cannot. */
export async function installParts(parts: readonly Part[], context: SetupContext): Promise<void> {
  if (parts.length === 0) return
  const what = parts.map((part) => nameOf[part]).join(' and ')
  const apt = await findProgram('apt-get', context.env)
  if (apt === undefined) throw new SetupError(`Windlass needs ${what}: install it with your system's package manager.`)
  const root = await findRootPrefix(context.env, context.terminal.isInteractive)
  await changeMachine(`Windlass needs ${what}.`, planInstallation(parts, root ?? ['sudo']), root, context)
}

/** Shows commands that need root, asks where somebody can be asked, and runs them. */
export async function changeMachine(
  why: string,
  commands: readonly (readonly string[])[],
  root: RootPrefix,
  { env, terminal, yes }: SetupContext,
): Promise<void> {
  const shown = commands.map((command) => command.join(' '))
  const consent = decideConsent({ env, yes, isInteractive: terminal.isInteractive })
  const byHand = `run "${shown.join(' && ')}" yourself`
  if (consent === 'never') throw new SetupError(`${why} WINDLASS_SETUP=off forbids installing it: ${byHand}.`)
  if (root === undefined) throw new SetupError(`${why} That needs root's rights, which are missing here: ${byHand}.`)
  terminal.say(`${why} These commands bring it:\n${shown.map((line) => `  ${line}`).join('\n')}`)
  if (consent === 'ask' && !(await terminal.ask('Run them now?')))
    throw new SetupError(`${why} When you like, ${byHand}.`)
  for (const command of commands) await terminal.run(command)
}
