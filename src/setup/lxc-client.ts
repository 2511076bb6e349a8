import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type Environment, findProgram } from './host.ts'

/** LXD's command line: the machine's, or Debian's lxd-client unpacked into `cache`. */
export async function findLxc(cache: string, env: Environment): Promise<string | undefined> {
  const installed = await findProgram('lxc', env)
  if (installed !== undefined) return installed
  const unpacked = join(cache, 'lxd-client/usr/bin/lxc')
  return access(unpacked, constants.X_OK).then(
    () => unpacked,
    () => undefined,
  )
}
