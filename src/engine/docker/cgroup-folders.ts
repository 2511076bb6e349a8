/** Control groups that were given to a container's systemd: the engine makes them and leaves them behind. */
import { readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CGROUPS, isOwnCgroup } from './system-boot.ts'

/**
 * Removes the group a container was put below, in every hierarchy, where the engine runs on this machine. A group that
 * is still used cannot be removed, which is what keeps those of other containers.
 */
export async function removeCgroupFolders(parent: string): Promise<void> {
  if (!isOwnCgroup(parent)) return
  const hierarchies = await readdir(CGROUPS).catch(() => [])
  const roots = [CGROUPS, ...hierarchies.map((name) => join(CGROUPS, name))]
  await Promise.allSettled(roots.map((root) => rmdir(join(root, parent))))
}
