/** Control groups of an engine's containers: they lie outside of its namespaces and outlive it where it is killed. */
import { existsSync } from 'node:fs'
import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CGROUPS, isOwnCgroup } from '../../src/engine/docker/system-boot.ts'
import { until } from './processes.ts'

/** Milliseconds until the kernel lets go of a group whose processes are gone. */
const EMPTY_WITHIN = 1_000

/** Where the containers of a data root are grouped. */
export interface ControlGroups {
  /** One for each container and hierarchy, whether it is there or not. */
  readonly containers: readonly string[]
  /** Those which the engine was given for one container each, and never removes itself. */
  readonly parents: readonly string[]
}

export async function controlGroupsOf(data: string): Promise<ControlGroups> {
  const ids = await readdir(join(data, 'containers')).catch(() => [])
  if (ids.length === 0) return { containers: [], parents: [] }
  const placed = await Promise.all(
    ids.map(async (id) => ({ id, parent: await parentOf(join(data, 'containers', id)) })),
  )
  const roots = [CGROUPS, ...(await readdir(CGROUPS).catch(() => [])).map((name) => join(CGROUPS, name))]
  const own = placed.filter(({ parent }) => isOwnCgroup(parent))
  return {
    containers: roots.flatMap((root) => placed.map(({ id, parent }) => join(root, parent, id))),
    parents: roots.flatMap((root) => own.map(({ parent }) => join(root, parent))),
  }
}

/** As the engine keeps it; a container that is just being made or removed has none any more. */
async function parentOf(container: string): Promise<string> {
  const text = await readFile(join(container, 'hostconfig.json'), 'utf8').catch(() => '{}')
  // Written by the engine.
  const { CgroupParent: parent = '' }: { CgroupParent?: string } = JSON.parse(text)
  return parent || 'docker'
}

/**
 * What is paused does not die of a signal, and no engine can start its container while its group is frozen; a machine
 * that goes down takes the groups with it. Version 1 has the first file, version 2 the second one.
 */
export async function thaw(group: string): Promise<void> {
  const write = (file: string, word: string) => writeFile(join(group, file), word, { flag: 'r+' })
  await Promise.allSettled([write('freezer.state', 'THAWED'), write('cgroup.freeze', '0')])
}

/** Removes a group whose processes are gone, with those that an init has made in it. Does nothing where it is not there. */
export async function removeGroup(group: string): Promise<void> {
  const entries = await readdir(group, { withFileTypes: true }).catch(() => undefined)
  if (entries === undefined) return
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(group, entry.name))
  const attempt = async () => {
    await rmdir(group).catch(() => undefined)
    return existsSync(group) ? undefined : true
  }
  await until(EMPTY_WITHIN, attempt, () => new Error(`${group} is still used`))
}
