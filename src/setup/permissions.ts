import { access, readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { type Environment, findProgram, outputOf } from './host.ts'

/** How a command gets root's rights here; undefined where it cannot. */
export type RootPrefix = readonly string[] | undefined

/** Nothing for root; `sudo` where it works without a password or a person can type one. */
export async function findRootPrefix(env: Environment, isInteractive: boolean): Promise<RootPrefix> {
  if (isRoot()) return []
  const sudo = await findProgram('sudo', env)
  if (sudo === undefined) return undefined
  if (isInteractive) return ['sudo']
  return (await outputOf(sudo, '-n', 'true')) === undefined ? undefined : ['sudo']
}

/** Does this process have root's rights? */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/** What to do where an engine's socket refuses this user. */
export function describeDenied(socket: string): string {
  const name = userInfo().username
  return `A Docker Engine is there, but ${name} may not use ${socket}: run "sudo usermod -aG docker ${name}" and log in again (or set DOCKER_HOST to an engine of yours).`
}

/** Does systemd run this machine (and not only lie on its disk)? */
export async function hasSystemd(): Promise<boolean> {
  return access('/run/systemd/system').then(
    () => true,
    () => false,
  )
}

/** Names below a folder; none where there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}
