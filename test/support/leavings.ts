/** What tests have made in an engine that goes on after them: this machine's own, or one that was given to them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeCgroupFolders } from '../../src/engine/docker/cgroup-folders.ts'
import { askEngine } from './ask-engine.ts'

/** Removes all that the deployment with this data directory has in the engine. Does nothing where it has begun nothing. */
export async function clearDeployment(socket: string, dataDir: string): Promise<void> {
  const deployment = (await readFile(join(dataDir, 'deployment'), 'utf8').catch(() => '')).trim()
  if (deployment === '') return
  const filters = encodeURIComponent(JSON.stringify({ label: [`windlass.deployment=${deployment}`] }))
  const ask = async <T>(path: string): Promise<T> => JSON.parse((await askEngine(socket, 'GET', path)).text)
  const remove = (path: string) => askEngine(socket, 'DELETE', path)
  // They hold everything else.
  for (const { Id } of await ask<{ Id: string }[]>(`/containers/json?all=true&filters=${filters}`)) {
    const { HostConfig: host } = await ask<{ HostConfig?: { CgroupParent: string } }>(`/containers/${Id}/json`)
    await remove(`/containers/${Id}?force=true&v=true`)
    await removeCgroupFolders(host?.CgroupParent ?? '')
  }
  for (const { Id } of await ask<{ Id: string }[]>(`/networks?filters=${filters}`)) await remove(`/networks/${Id}`)
  const { Volumes: volumes } = await ask<{ Volumes: { Name: string }[] | null }>(`/volumes?filters=${filters}`)
  for (const { Name } of volumes ?? []) await remove(`/volumes/${Name}`)
  const images = await ask<{ Id: string; Created: number }[]>(`/images/json?all=true&filters=${filters}`)
  // Those that were made from others first.
  for (const { Id } of images.toSorted((a, b) => b.Created - a.Created)) await remove(`/images/${Id}?force=true`)
}
